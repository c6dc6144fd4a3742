// What goes wrong in a browser, as one of the causes that users see.
import { CrawlError, type Failure } from '../failure.ts';
import type { GuardProxy } from '../network/guard-proxy.ts';
import type { Rendered } from '../rendering/renderer.ts';

/** How Chromium names its network errors; the first that fits counts. */
const NET_ERRORS: readonly (readonly [RegExp, Failure['cause'], retryable: boolean])[] = [
  [/ERR_NAME_/, 'DnsError', true],
  [/ERR_(CERT|SSL)_/, 'TlsError', false],
  [/ERR_(CONNECTION_)?TIMED_OUT/, 'Timeout', true],
  [/ERR_TOO_MANY_REDIRECTS/, 'TooManyRedirects', false],
  [/ERR_RESPONSE_HEADERS_TOO_BIG/, 'TooLarge', false],
  [
    /ERR_(INVALID_URL|INVALID_REDIRECT|UNSAFE_REDIRECT|UNSAFE_PORT|DISALLOWED_URL_SCHEME|UNKNOWN_URL_SCHEME)/,
    'InvalidUrl',
    false,
  ],
  [/net::ERR_/, 'ConnectionError', true],
];

/** Whether the navigation was broken off: by an answer without a page, or by another navigation. */
export function isAborted(error: unknown): boolean {
  return error instanceof Error && error.message.includes('net::ERR_ABORTED');
}

export function isNetworkError(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('net::');
}

export function endOfError(error: unknown, url: URL, proxy: GuardProxy): Rendered {
  const message = error instanceof Error ? error.message : String(error);
  if (/ERR_(TUNNEL_CONNECTION|PROXY_CONNECTION)_FAILED/.test(message)) {
    return { type: 'failed', failure: proxyFailure(url, proxy), facts: {} };
  }
  return { type: 'failed', failure: failureOfBrowser(error, false), facts: {} };
}

export function proxyFailure(url: URL, proxy: GuardProxy): Failure {
  const port = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : url.port;
  const unknown: Failure = { cause: 'ConnectionError', message: 'the connection could not be made', retryable: true };
  return proxy.failureOf(`${url.hostname}:${port}`) ?? unknown;
}

/** @param missing addresses of what the page waits for */
export function notInTime(missing: readonly string[] = []): Failure {
  const why = missing.length === 0 ? '' : ` (no answer from ${missing.slice(0, 3).join(', ').slice(0, 300)})`;
  return { cause: 'Timeout', message: `the page did not load in time${why}`, retryable: true };
}

/** A network error, a time-out, or a page or browser that is no more. */
export function failureOfBrowser(error: unknown, timedOut: boolean): Failure {
  if (error instanceof CrawlError) return error.failure;
  // Playwright adds a log of its calls, and an exception in the page its stack, which are of no use to the user.
  const message = (error instanceof Error ? error.message : String(error)).split('\n', 1)[0] ?? '';
  if (timedOut) return notInTime();
  const rule = NET_ERRORS.find(([pattern]) => pattern.test(message));
  if (rule !== undefined)
    return { cause: rule[1], message: message.replace(/^.*?(net::\w+).*$/, '$1'), retryable: rule[2] };
  return { cause: 'BrowserError', message: message.slice(0, 500), retryable: true };
}
