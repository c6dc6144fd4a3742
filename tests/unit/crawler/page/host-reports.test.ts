// Which failures and answers of a host reach the store, and which claims are given back.
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import type { Failure } from '#src/crawler/failure.ts';
import { createHostReports } from '#src/crawler/page/host-reports.ts';
import type { Claim, HostOutage } from '#src/gateway/protocol/worker-store.ts';

const never = new AbortController().signal;
const refused: Failure = { cause: 'ConnectionError', message: 'ECONNREFUSED', retryable: true };
const proxy = {
  mode: 'Auto',
  urlSecretRef: { name: 'proxy', key: 'url' },
  failureThreshold: 10,
  cooldown: '10m',
} as const;

function claim(more: Partial<Claim> = {}): Claim {
  const host = 'site.example';
  const url = `https://${host}/`;
  return {
    requestId: 'a',
    leaseToken: 'a',
    url,
    host,
    source: 's',
    depth: 0,
    attempt: 1,
    from: performance.now(),
    ...more,
  };
}

function setUp({ outage = { state: 'Up', pauseMs: 0 } as HostOutage, proxied = false } = {}) {
  const calls: string[] = [];
  const reports = createHostReports({
    store: {
      reportBlock: async () => void calls.push('block'),
      reportFailure: async () => calls.push('failure') < 0,
      reportAnswer: async () => void calls.push('answer'),
      reportReachable: async () => void calls.push('reachable'),
      async reportOutage(_host, ageMs) {
        calls.push(`outage ${Math.round(ageMs / 1_000)} s`);
        return outage;
      },
    },
    proxy: proxied ? proxy : undefined,
    log: pino({ level: 'silent' }),
  });
  return { reports, calls };
}

describe('a failure', () => {
  it('of a first try is an outage as old as the place of its claim', async () => {
    const { reports, calls } = setUp();
    await reports.failed(claim({ from: performance.now() - 30_000 }), refused, undefined, never);
    expect(calls).toEqual(['outage 30 s']);
  });

  it('counts for the proxy as long as that is another route, and as an outage beyond it', async () => {
    const { reports, calls } = setUp({ proxied: true });
    await reports.failed(claim(), refused, undefined, never);
    await reports.failed(claim({ viaProxy: true }), refused, undefined, never);
    await reports.failed(claim({ isProbe: true }), refused, undefined, never);
    expect(calls).toEqual(['failure', 'outage 0 s', 'failure', 'outage 0 s']);
  });

  it('of a page that the host answered shows that the host is there', async () => {
    const { reports, calls } = setUp();
    const missing: Failure = { cause: 'HttpError', message: '404', retryable: false };
    await reports.failed(claim({ isFailing: true }), missing, 404, never);
    expect(calls).toEqual(['reachable']);
  });
});

describe('an answer', () => {
  it('is not reported of a host without trouble', async () => {
    const { reports, calls } = setUp();
    await reports.gavePage(claim(), never);
    await reports.answered(claim(), never);
    expect(calls).toEqual([]);
  });

  it('ends an outage that this worker has reported, once', async () => {
    const { reports, calls } = setUp();
    await reports.failed(claim(), refused, undefined, never);
    await reports.answered(claim(), never);
    await reports.answered(claim(), never);
    expect(calls).toEqual(['outage 0 s', 'reachable']);
  });

  it('ends an outage that others have reported', async () => {
    const { reports, calls } = setUp();
    await reports.gavePage(claim({ isFailing: true, isTroubled: true }), never);
    expect(calls).toEqual(['reachable', 'answer']);
  });
});

describe('claims of a parked host', () => {
  it('are given back when they were made before, and tried when they came after', async () => {
    const { reports } = setUp({ outage: { state: 'Parked', pauseMs: 2_000 } });
    const before = claim({ from: performance.now() + 400 });
    expect(reports.isParked(before)).toBe(false);
    const verdict = await reports.failed(claim(), refused, undefined, never);
    expect(verdict).toEqual({ isSwitched: false, parkedMs: 2_000 });
    expect(reports.isParked(before)).toBe(true);
    expect(reports.isParked(claim({ from: performance.now() + 2_000, isProbe: true }))).toBe(false);
    expect(reports.isParked(claim({ host: 'other.example' }))).toBe(false);
    await reports.answered(claim(), never);
    expect(reports.isParked(before)).toBe(false);
  });
});
