// What a try says of its host, and when it counts as an outage.
import { describe, expect, it } from 'vitest';
import { type HostSign, hostSignOf, isOutage } from '#src/crawler/blocking/host-signs.ts';
import type { FailureCause } from '#src/gateway/protocol/worker-store.ts';

describe('a failed try says of its host', () => {
  it.each<[FailureCause, number | undefined, HostSign]>([
    ['Timeout', undefined, 'Silent'],
    ['DnsError', undefined, 'Silent'],
    ['ConnectionError', undefined, 'Silent'],
    ['TlsError', undefined, 'Silent'],
    ['HttpError', 500, 'Broken'],
    ['HttpError', 503, 'Broken'],
    ['RobotsUnavailable', undefined, 'Broken'],
    ['HttpError', 404, 'Answered'],
    ['RateLimited', 429, 'Answered'],
    // A guard's challenge, which comes with 503 as well.
    ['Blocked', 503, 'Answered'],
    // The document came, and something that the page loads did not.
    ['Timeout', 200, 'Answered'],
    ['MissingField', 200, 'Answered'],
    ['ProxyError', undefined, 'Nothing'],
    ['BrowserError', undefined, 'Nothing'],
    ['AddressForbidden', undefined, 'Nothing'],
    ['InvalidUrl', undefined, 'Nothing'],
  ])('%s with status %s: %s', (cause, status, sign) => {
    expect(hostSignOf({ cause }, status)).toBe(sign);
  });
});

describe('an outage', () => {
  it.each<[string, HostSign, { attempt: number; isProbe?: boolean }, boolean]>([
    ['is a first try that reaches nobody', 'Silent', { attempt: 1 }, true],
    ['is a first try that meets a broken server', 'Broken', { attempt: 1 }, true],
    ['is no page that fails once more: it may be at fault itself', 'Silent', { attempt: 2 }, false],
    ['is no broken page that fails once more', 'Broken', { attempt: 3 }, false],
    ['is any probe that reaches nobody', 'Silent', { attempt: 4, isProbe: true }, true],
    ['is no broken page as a probe', 'Broken', { attempt: 2, isProbe: true }, false],
    ['is no answer', 'Answered', { attempt: 1 }, false],
    ['is nothing that has to do with something else', 'Nothing', { attempt: 1 }, false],
  ])('%s', (_, sign, claim, counts) => {
    expect(isOutage(sign, claim)).toBe(counts);
  });
});
