// Causes of failures, as Node, undici and servers report them.
import { describe, expect, it } from 'vitest';
import { CrawlError, failureOfError, failureOfStatus } from '#src/crawler/failure.ts';
import { FAILURE_CAUSES } from '#src/resources/failure-causes.ts';

const coded = (code: string, message = 'x') => Object.assign(new Error(message), { code });

describe('failureOfError', () => {
  it.each([
    ['ENOTFOUND', 'DnsError', true],
    ['EAI_AGAIN', 'DnsError', true],
    ['ECONNREFUSED', 'ConnectionError', true],
    ['ECONNRESET', 'ConnectionError', true],
    ['UND_ERR_SOCKET', 'ConnectionError', true],
    ['HPE_INVALID_CONSTANT', 'ConnectionError', true],
    ['Z_DATA_ERROR', 'ConnectionError', true],
    ['UND_ERR_CONNECT_TIMEOUT', 'Timeout', true],
    ['ETIMEDOUT', 'Timeout', true],
    ['UND_ERR_HEADERS_OVERFLOW', 'TooLarge', false],
    ['CERT_HAS_EXPIRED', 'TlsError', false],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'TlsError', false],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'TlsError', false],
    ['EPROTO', 'TlsError', false],
    ['TRAWLER_ADDRESS_FORBIDDEN', 'AddressForbidden', false],
  ])('%s is %s', (code, cause, retryable) => {
    expect(failureOfError(coded(code))).toEqual({ cause, retryable, message: 'x' });
    expect(failureOfError(new Error('fetch failed', { cause: coded(code) }))).toMatchObject({ retryable });
  });

  it('looks into what an error collects', () => {
    const both = new AggregateError([coded('ECONNREFUSED', 'connect ECONNREFUSED ::1'), coded('ECONNREFUSED')], '');
    expect(failureOfError(both)).toMatchObject({ cause: 'ConnectionError', message: 'connect ECONNREFUSED ::1' });
  });

  it('knows time-outs of signals, errors with a cause of their own, and what is no error at all', () => {
    expect(failureOfError(new DOMException('late', 'TimeoutError'))).toMatchObject({ cause: 'Timeout' });
    const failure = { cause: 'TooLarge', message: 'big', retryable: false } as const;
    expect(failureOfError(new CrawlError(failure))).toBe(failure);
    expect(failureOfError('?')).toMatchObject({ cause: 'ConnectionError', message: '?' });
  });
});

describe('failureOfStatus', () => {
  it.each([200, 204, 304, 399])('%i is none', (status) => {
    expect(failureOfStatus(status, undefined, 0)).toBeUndefined();
  });

  it.each([
    [404, 'HttpError', false],
    [408, 'HttpError', true],
    [429, 'RateLimited', true],
    [500, 'HttpError', true],
    [503, 'HttpError', true],
  ])('%i is %s', (status, cause, retryable) => {
    const failure = failureOfStatus(status, undefined, 0);
    expect(failure).toMatchObject({ cause, retryable });
    expect(FAILURE_CAUSES).toContain(failure?.cause);
  });

  it('takes Retry-After where it has a meaning', () => {
    expect(failureOfStatus(429, '3', 0)?.retryAfterMs).toBe(3_000);
    expect(failureOfStatus(503, '3', 0)?.retryAfterMs).toBe(3_000);
    expect(failureOfStatus(500, '3', 0)?.retryAfterMs).toBeUndefined();
  });
});
