// One HTTP request: guarded connection, re-used where possible, HTTP/2 where the server offers it, the cookies of the
// run, bounded in bytes and time. Redirects are not followed.
import type { IncomingHttpHeaders } from 'node:http';
import { PassThrough, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Agent, type Dispatcher } from 'undici';
import { CrawlError, pageTooLarge } from '../failure.ts';
import { type AddressGuard, guardedConnector, portOf } from '../network/address-guard.ts';
import type { LastLook } from '../network/host-pacer.ts';
import type { HeadersFor } from '../network/request-headers.ts';
import { PUBLIC_TRUST, type TlsOptions, type TlsTrust, tlsOptions } from '../network/tls-trust.ts';
import { createProxyDispatcher, refusalByStatus, type UpstreamProxy } from '../network/upstream-proxy.ts';
import type { Visitor } from '../rendering/renderer.ts';
import { hostKey } from '../urls/url.ts';
import { type Coding, codingsOf, decodeBody, decodingStream } from './content-codings.ts';
import { createCookies } from './cookies.ts';
import { exchange, type Reply } from './exchange.ts';
import { type ResponseHeaders, responseHeaders } from './response-headers.ts';

const CONNECT_TIMEOUT_MS = 10_000;
const MAX_HEADER_BYTES = 64 * 1024;
/** What is read of an unwanted body to keep the connection for the next page. */
const MAX_DISCARDED_BYTES = 64 * 1024;

export type HttpResponse = {
  readonly status: number;
  readonly headers: ResponseHeaders;
  /** Decompressed; empty when the body was not wanted. */
  readonly body: Buffer;
  /** The rest of the body could not be decompressed. */
  readonly isBroken?: true;
  readonly visitor?: Visitor;
};

export type HttpRequest = {
  readonly url: URL;
  /** Besides those that every request has. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Of the decompressed body. */
  readonly maxBytes: number;
  /** What happens beyond `maxBytes`: the rest is cut off, or the request fails with TooLarge. */
  readonly onTooLarge: 'cut' | 'fail';
  /** Whether the body is worth reading. */
  readonly wantsBody: (status: number, headers: ResponseHeaders) => boolean;
  /** Takes the body as it arrives; the response has none then. Beyond `maxBytes` reading fails with TooLarge. */
  readonly consume?: (body: AsyncIterable<Buffer>, headers: ResponseHeaders) => Promise<void>;
};

export type HttpClient = {
  /** Rejects with an error for `failureOfError`, or with the signal's reason. */
  readonly get: (request: HttpRequest, signal: AbortSignal) => Promise<HttpResponse>;
  readonly close: () => Promise<void>;
};

export function createHttpClient(options: {
  readonly guard: AddressGuard;
  /** By which every request goes, if there is one. */
  readonly proxy?: UpstreamProxy;
  readonly userAgent: string;
  /** Which certificates count; without it those of public authorities. */
  readonly trust?: TlsTrust;
  /** Connections to one origin. */
  readonly connections: number;
  /** What the user adds to the requests of some hosts. */
  readonly headersFor?: HeadersFor;
  /** Whether a request still has its place at the host when it is about to be written. */
  readonly lastLook?: LastLook;
}): HttpClient {
  const { guard, proxy, lastLook } = options;
  const { dispatcher, close } = createDispatcher(guard, proxy, tlsOptions(options.trust ?? PUBLIC_TRUST), {
    connections: options.connections,
    maxHeaderSize: MAX_HEADER_BYTES,
    // The caller's signal is the one that ends a slow request.
    headersTimeout: 0,
    bodyTimeout: 0,
  });
  const agent = lastLook === undefined ? dispatcher : dispatcher.compose(lookingOnceMore(lastLook));
  const requestHeaders = {
    'user-agent': options.userAgent,
    accept: 'text/html,application/xhtml+xml;q=0.9,*/*;q=0.1',
    'accept-encoding': 'gzip, br, zstd',
  };

  const cookies = createCookies();

  function messageTo(url: URL, headers: Readonly<Record<string, string>> = {}) {
    const added = options.headersFor?.(url) ?? {};
    const cookie = joined(added['cookie'], cookies.headerFor(url));
    return {
      origin: url.origin,
      path: url.pathname + url.search,
      method: 'GET',
      headers: { ...requestHeaders, ...added, ...headers, ...(cookie === undefined ? {} : { cookie }) },
    };
  }

  /** The connection of a request that came too late stays open: the next try is written at once. */
  async function inPlace<Answer>(url: URL, send: () => Promise<Answer>, signal: AbortSignal): Promise<Answer> {
    for (;;) {
      try {
        return await send();
      } catch (error) {
        if (lastLook === undefined || !(error instanceof PlaceMissedError)) throw error;
        await lastLook.untilNextPlace(hostKey(url), signal);
      }
    }
  }

  /** The head of an answer that comes from the host. Throws the refusal of a proxy. */
  function headOf(url: URL, status: number, received: IncomingHttpHeaders): ResponseHeaders {
    const refusal = proxy === undefined ? undefined : refusalByStatus(proxy, status);
    if (refusal !== undefined) throw refusal;
    cookies.take(url, received['set-cookie']);
    return responseHeaders(received);
  }

  function visitorOf(url: URL, hadCookie: boolean): Pick<HttpResponse, 'visitor'> {
    if (hadCookie) return {};
    return { visitor: cookies.headerFor(url) === undefined ? 'Stranger' : 'New' };
  }

  async function getWhole(request: HttpRequest, signal: AbortSignal): Promise<HttpResponse> {
    const { url, maxBytes, wantsBody } = request;
    const message = messageTo(url, request.headers);
    const hadCookie = 'cookie' in message.headers;
    let head: ResponseHeaders = {};
    let isWanted = false;
    const mostBytes = (status: number, received: IncomingHttpHeaders) => {
      head = headOf(url, status, received);
      isWanted = wantsBody(status, head);
      if (isWanted) return maxBytes;
      return Number(received['content-length'] ?? 0) > MAX_DISCARDED_BYTES ? undefined : MAX_DISCARDED_BYTES;
    };
    const reply = await inPlace(url, () => exchange(agent, message, mostBytes, signal), signal);
    const read = isWanted ? await decodedBody(reply, head, request) : { body: Buffer.alloc(0) };
    return { status: reply.status, headers: head, ...read, ...visitorOf(url, hadCookie) };
  }

  async function getInParts(request: HttpRequest & Required<Pick<HttpRequest, 'consume'>>, signal: AbortSignal) {
    const { url, maxBytes, wantsBody, consume } = request;
    const message = { ...messageTo(url, request.headers), signal };
    const { statusCode: status, headers: received, body } = await inPlace(url, () => agent.request(message), signal);
    // A body that is given up reports that as an error of its own, which nobody needs.
    body.on('error', () => {});
    try {
      const headers = headOf(url, status, received);
      if (wantsBody(status, headers)) {
        const consumed = (arriving: AsyncIterable<Buffer>) => consume(arriving, headers);
        await consumeBody(body, codingsOfBody(headers), consumed, maxBytes, signal);
      } else {
        await body.dump({ limit: MAX_DISCARDED_BYTES, signal });
      }
      return { status, headers, body: Buffer.alloc(0) };
    } catch (error) {
      body.destroy();
      throw error;
    }
  }

  return {
    async get(request, signal) {
      if (proxy !== undefined) await guard.checkBeforeProxy(request.url.hostname, portOf(request.url));
      const { consume } = request;
      return consume === undefined ? getWhole(request, signal) : getInParts({ ...request, consume }, signal);
    },
    close,
  };
}

/** The request was not written: its place at the host was gone by then. */
class PlaceMissedError extends Error {
  override readonly name = 'PlaceMissedError';
}

/** Undici starts a request right before it writes it; one that throws there is not written, and its connection kept. */
function lookingOnceMore({ maySend }: LastLook): Dispatcher.DispatcherComposeInterceptor {
  return (dispatch) => (options, handler) => {
    // As `hostKey` of the request's URL.
    const host = String(options.origin).replace(/^https?:\/\//, '');
    const start = handler.onRequestStart?.bind(handler);
    handler.onRequestStart = (controller, context) => {
      if (!maySend(host)) throw new PlaceMissedError();
      start?.(controller, context);
    };
    return dispatch(options, handler);
  };
}

function createDispatcher(
  guard: AddressGuard,
  proxy: UpstreamProxy | undefined,
  tls: TlsOptions,
  options: Agent.Options,
) {
  if (proxy !== undefined) return createProxyDispatcher(proxy, CONNECT_TIMEOUT_MS, options, tls);
  const dispatcher = new Agent({ ...options, connect: guardedConnector(guard, CONNECT_TIMEOUT_MS, tls) });
  return { dispatcher, close: () => dispatcher.destroy() };
}

/** What the user wants to be sent always comes before what the host has set. */
function joined(always: string | undefined, set: string | undefined): string | undefined {
  return always === undefined || set === undefined ? (always ?? set) : `${always}; ${set}`;
}

async function decodedBody(
  reply: Reply,
  head: ResponseHeaders,
  { maxBytes, onTooLarge }: HttpRequest,
): Promise<Pick<HttpResponse, 'body' | 'isBroken'>> {
  let { body, isCut: isTooLarge } = reply;
  let isBroken = false;
  for (const coding of codingsOfBody(head)) {
    if (isTooLarge && onTooLarge === 'fail') break;
    const decoded = await decodeBody(body, coding, maxBytes);
    body = decoded.bytes;
    isTooLarge ||= decoded.isTooLarge;
    isBroken ||= decoded.isBroken;
  }
  if (isTooLarge && onTooLarge === 'fail') throw pageTooLarge(maxBytes);
  return isBroken ? { body, isBroken } : { body };
}

async function consumeBody(
  body: Readable,
  codings: readonly Coding[],
  consume: (body: AsyncIterable<Buffer>) => Promise<void>,
  maxBytes: number,
  signal: AbortSignal,
): Promise<void> {
  async function* bounded(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    let size = 0;
    for await (const chunk of source) {
      size += chunk.length;
      if (size > maxBytes) throw pageTooLarge(maxBytes);
      yield chunk;
    }
  }
  const decompressed = new PassThrough();
  // Whoever reads from its end gets the error.
  pipeline([body, ...codings.map(decodingStream), decompressed], { signal }).catch(() => {});
  await consume(bounded(decompressed));
}

/** In the order in which they are taken off: the last one applied first. */
function codingsOfBody(headers: ResponseHeaders): readonly Coding[] {
  const codings = codingsOf(headers['content-encoding']);
  if (codings === undefined) throw unreadable('too many content codings');
  return codings;
}

function unreadable(what: string): CrawlError {
  return new CrawlError({ cause: 'HttpError', message: `the server answered with ${what}`, retryable: false });
}
