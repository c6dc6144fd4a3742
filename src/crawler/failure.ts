// Why a fetch failed, as one of the causes that users see, and whether trying again could help.
import type { FailureCause } from '../gateway/protocol/worker-store.ts';
import { retryAfterMs } from './back-off.ts';

export type Failure = {
  readonly cause: FailureCause;
  readonly message: string;
  /** Whether a later try may end differently. */
  readonly retryable: boolean;
  /** How long the host wants to be left alone, in milliseconds. */
  readonly retryAfterMs?: number;
};

/** An exception that already knows its cause. */
export class CrawlError extends Error {
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(failure.message);
    this.name = 'CrawlError';
    this.failure = failure;
  }
}

/** The failure that a response status means; undefined for one that is no failure (2xx, redirects). */
export function failureOfStatus(
  status: number,
  retryAfter: string | readonly string[] | undefined,
  now: number,
): Failure | undefined {
  if (status < 400) return undefined;
  const retryable = status >= 500 || [408, 425, 429].includes(status);
  const wait = status === 429 || status === 503 ? retryAfterMs(retryAfter, now) : undefined;
  return {
    cause: status === 429 ? 'RateLimited' : 'HttpError',
    message: `the server answered ${status}`,
    retryable,
    ...(wait === undefined ? {} : { retryAfterMs: wait }),
  };
}

/** Of an answer that is neither a page nor an error, such as 304 to a request that was not conditional. */
export function failureWithoutPage(status: number): Failure {
  return { cause: 'HttpError', message: `the server answered ${status} without a page`, retryable: false };
}

type Rule = readonly [codes: RegExp, cause: FailureCause, retryable: boolean];

/** By the code that Node or undici gives the error; the first that fits counts. */
const RULES: readonly Rule[] = [
  [/^TRAWLER_ADDRESS_FORBIDDEN$/, 'AddressForbidden', false],
  [/^TRAWLER_PROXY_ERROR$/, 'ProxyError', true],
  [/^(ENOTFOUND|ENODATA|EAI_\w+|ESERVFAIL|EREFUSED|ENONAME)$/, 'DnsError', true],
  [/^(UND_ERR_(CONNECT|HEADERS|BODY)_TIMEOUT|ETIMEDOUT|TimeoutError)$/, 'Timeout', true],
  [/^(UND_ERR_HEADERS_OVERFLOW|HPE_HEADER_OVERFLOW)$/, 'TooLarge', false],
  [/^(ERR_TLS_\w+|ERR_SSL_\w+|\w*CERT\w*|UNABLE_TO_VERIFY\w*|EPROTO)$/, 'TlsError', false],
  // Bytes that no parser or decompressor accepts come from a broken connection more often than from a broken server.
  [/^(E[A-Z]+|UND_ERR_\w+|HPE_\w+|Z_\w+|ERR_\w+)$/, 'ConnectionError', true],
];

export function pageTooLarge(maxBytes: number): CrawlError {
  return new CrawlError({ cause: 'TooLarge', message: `the page is larger than ${maxBytes} bytes`, retryable: false });
}

/** @param error what the parser, a selector or the page itself threw */
export function pageUnreadable(error: unknown): CrawlError {
  const why = error instanceof Error ? error.message : String(error);
  const message = `the page could not be read: ${why.slice(0, 500)}`;
  return new CrawlError({ cause: 'ExtractionError', message, retryable: false });
}

/** What an exception of a fetch means. One that is not known is a connection error, with its own message. */
export function failureOfError(error: unknown): Failure {
  for (const candidate of chain(error)) {
    if (candidate instanceof CrawlError) return candidate.failure;
    const code = codeOf(candidate);
    const rule = RULES.find(([codes]) => codes.test(code));
    if (rule !== undefined) return { cause: rule[1], message: describe(candidate, code), retryable: rule[2] };
  }
  return { cause: 'ConnectionError', message: String(error), retryable: true };
}

/** The error, what it wraps and what it collects: undici and sockets hide the telling one inside. */
function* chain(error: unknown, depth = 0): Generator<Error> {
  if (!(error instanceof Error) || depth > 5) return;
  if (error instanceof AggregateError) for (const inner of error.errors) yield* chain(inner, depth + 1);
  yield error;
  yield* chain(error.cause, depth + 1);
}

function codeOf(error: Error): string {
  const { code } = error as NodeJS.ErrnoException;
  return typeof code === 'string' ? code : error.name;
}

function describe(error: Error, code: string): string {
  return error.message === '' ? code : error.message;
}
