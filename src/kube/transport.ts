// One HTTP request to the API server: rate limit, credentials, time-outs, bounded retries, errors as KubeError.
import { type Dispatcher, errors } from 'undici';
import type { Logger } from '../telemetry/logger.ts';
import { type Backoff, backoffMs } from './backoff.ts';
import type { Connection } from './connection.ts';
import { delay } from './delay.ts';
import { type FieldFault, KubeError } from './kube-error.ts';
import type { KubeMetrics } from './metrics.ts';
import type { TokenBucket } from './token-bucket.ts';

export interface KubeRequest {
  /** What is done, for the metrics: get, list, watch, create, replace, patch, delete. */
  verb: 'get' | 'list' | 'watch' | 'create' | 'replace' | 'patch' | 'delete';
  /** The plural of what it is done to, for the metrics. */
  resource: string;
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** From `/api` on. */
  path: string;
  query?: Record<string, string>;
  body?: object;
  contentType?: string;
  signal: AbortSignal;
  /** Until the answer starts. */
  timeoutMs: number;
  /** Between two parts of the answer; absent: timeoutMs. */
  silenceMs?: number;
  rateLimited: boolean;
}

export interface Transport {
  /** The parsed answer. Throws a KubeError, or the signal's reason. */
  send(request: KubeRequest): Promise<unknown>;
  /** The answer's body, as it comes, in parts of any size. */
  stream(request: KubeRequest): Promise<AsyncIterable<Buffer>>;
}

const ATTEMPTS = 4;
const RETRY: Backoff = { baseMs: 100, maxMs: 2_000 };
/** An API server that asks for more than this is left to the caller's own back-off. */
const LONGEST_RETRY_AFTER_MS = 10_000;

export function createTransport(
  connection: Connection,
  limit: TokenBucket,
  { logger, metrics }: { logger: Logger; metrics: KubeMetrics },
): Transport {
  async function send(request: KubeRequest): Promise<unknown> {
    return retrying(request, async () => {
      const startedAt = performance.now();
      const answer = await exchange(request);
      const text = await textOf(answer, request);
      const labels = { verb: request.verb, resource: request.resource };
      metrics.requestDuration.observe(labels, (performance.now() - startedAt) / 1000);
      if (answer.statusCode >= 300) throw refusal(answer, text);
      return parseJson(text);
    });
  }

  async function stream(request: KubeRequest): Promise<AsyncIterable<Buffer>> {
    return retrying(request, async () => {
      const answer = await exchange(request);
      if (answer.statusCode >= 300) throw refusal(answer, await textOf(answer, request));
      return parts(answer, request);
    });
  }

  async function retrying<T>(request: KubeRequest, attempt: () => Promise<T>): Promise<T> {
    for (let attempts = 1; ; attempts += 1) {
      try {
        if (request.rateLimited) await waitForTurn(request.signal);
        return await attempt();
      } catch (error) {
        if (!(error instanceof KubeError) || attempts === ATTEMPTS) throw error;
        const waitMs = retryDelay(error, request, attempts);
        if (waitMs === undefined) throw error;
        logger.debug({ path: request.path, attempts, waitMs, err: error }, 'request to the API server is repeated');
        await delay(waitMs, request.signal);
      }
    }
  }

  async function waitForTurn(signal: AbortSignal): Promise<void> {
    const startedAt = performance.now();
    await limit.take(signal);
    metrics.rateLimitWait.observe((performance.now() - startedAt) / 1000);
  }

  async function exchange(request: KubeRequest): Promise<Dispatcher.ResponseData> {
    const { verb, resource, signal, timeoutMs } = request;
    signal.throwIfAborted();
    try {
      const { dispatcher, headers } = await connection.authorise();
      const answer = await dispatcher.request({
        origin: connection.origin,
        path: connection.pathPrefix + request.path,
        method: request.method,
        headers: {
          ...headers,
          accept: 'application/json',
          'user-agent': 'trawler',
          ...(request.body === undefined ? {} : { 'content-type': request.contentType ?? 'application/json' }),
        },
        ...(request.query === undefined ? {} : { query: request.query }),
        body: request.body === undefined ? null : JSON.stringify(request.body),
        signal,
        headersTimeout: timeoutMs,
        bodyTimeout: request.silenceMs ?? timeoutMs,
      });
      if (answer.statusCode === 401) connection.forgetCredentials();
      metrics.requests.inc({ verb, resource, code: String(answer.statusCode) });
      return answer;
    } catch (error) {
      metrics.requests.inc({ verb, resource, code: '0' });
      throw noAnswer(error, request);
    }
  }

  return { send, stream };
}

/** How long to wait before the same request is sent again, or undefined when it must not be. */
function retryDelay(error: KubeError, request: KubeRequest, attempts: number): number | undefined {
  const reads = request.method === 'GET';
  // Refused before anything was done, so that even a write may be repeated.
  const notExecuted = error.status === 429 || (error.status === 401 && attempts === 1);
  // A write without an answer may have been executed: the caller looks before it tries again.
  const harmless =
    reads && (error.reason === 'Unreachable' || (error.status >= 500 && error.retryAfterMs !== undefined));
  if (!notExecuted && !harmless) return undefined;
  // A watch's owner has a back-off of its own.
  if (request.verb === 'watch' && error.status !== 401) return undefined;
  if (error.retryAfterMs === undefined) return backoffMs(attempts, RETRY);
  if (error.retryAfterMs > LONGEST_RETRY_AFTER_MS) return undefined;
  return error.retryAfterMs + backoffMs(attempts, RETRY);
}

async function textOf(answer: Dispatcher.ResponseData, request: KubeRequest): Promise<string> {
  try {
    return await answer.body.text();
  } catch (error) {
    throw noAnswer(error, request);
  }
}

async function* parts(answer: Dispatcher.ResponseData, request: KubeRequest): AsyncGenerator<Buffer> {
  try {
    yield* answer.body;
  } catch (error) {
    throw noAnswer(error, request);
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new KubeError({ status: 0, reason: 'BadAnswer', message: 'the API server sent broken JSON', cause });
  }
}

/** The API server said no, usually with a Status object; a proxy before it may send anything. */
function refusal({ statusCode, headers }: Dispatcher.ResponseData, text: string): KubeError {
  const retryAfterMs = parseRetryAfter(headers['retry-after']);
  return new KubeError({
    ...describeStatus(text, statusCode),
    status: statusCode,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
}

type Status = {
  reason?: string;
  message?: string;
  details?: { causes?: { field?: string; message?: string }[] } | null;
};

function describeStatus(text: string, code: number): { reason: string; message: string; fields: FieldFault[] } {
  try {
    const { reason, message, details } = JSON.parse(text) as Status;
    const fields = (details?.causes ?? []).flatMap(({ field, message: why }) =>
      field === undefined ? [] : [{ field, message: why ?? '' }],
    );
    return { reason: reason ?? `HTTP${code}`, message: message ?? `HTTP ${code}`, fields };
  } catch {
    return { reason: `HTTP${code}`, message: `HTTP ${code}: ${text.slice(0, 200)}`, fields: [] };
  }
}

/** The API server sends whole seconds; the date form of the header is not used in Kubernetes. */
function parseRetryAfter(header: string | string[] | undefined): number | undefined {
  const seconds = Number(header ?? Number.NaN);
  return Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : undefined;
}

/** The caller's own reason when it gave up, otherwise what went wrong on the way. */
function noAnswer(error: unknown, { signal, method, path }: KubeRequest): unknown {
  if (signal.aborted) return signal.reason;
  const timedOut =
    error instanceof errors.HeadersTimeoutError ||
    error instanceof errors.BodyTimeoutError ||
    error instanceof errors.ConnectTimeoutError;
  const message = error instanceof Error ? error.message : String(error);
  return new KubeError({
    status: 0,
    reason: timedOut ? 'Timeout' : 'Unreachable',
    message: `${method} ${path}: ${message}`,
    cause: error,
  });
}
