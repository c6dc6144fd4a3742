// The proxy of a run's spec: its address, its credentials, and the connections through it.
import { once } from 'node:events';
import { type IncomingMessage, request as requestByHttp } from 'node:http';
import { request as requestByHttps } from 'node:https';
import type { Socket } from 'node:net';
import { Agent, buildConnector, type Dispatcher } from 'undici';
import type { TlsOptions } from './tls-trust.ts';

/** What the proxy itself did wrong, apart from the site behind it. */
export class ProxyError extends Error {
  readonly code = 'TRAWLER_PROXY_ERROR';

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ProxyError';
  }
}

export type UpstreamProxy = {
  /** Without credentials, for logs. */
  readonly origin: string;
  readonly hostname: string;
  readonly port: number;
  readonly isTls: boolean;
  /** Proxy-Authorization, where the URL has a user (RFC 7617). */
  readonly headers: Readonly<Record<string, string>>;
};

/**
 * Reads `http://user:password@host:port` or the same with https (TLS to the proxy). Throws a RangeError, which holds
 * nothing of the credentials, when it is neither or when `host:port` is not on the operator's list.
 */
export function parseProxyUrl(text: string, allowed: readonly string[]): UpstreamProxy {
  const url = URL.parse(text.trim());
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new RangeError('the proxy URL is not http://host:port or https://host:port');
  }
  const isTls = url.protocol === 'https:';
  const port = url.port === '' ? (isTls ? 443 : 80) : Number(url.port);
  const authority = `${url.hostname}:${port}`;
  if (!allowed.some((entry) => entry.toLowerCase() === authority)) {
    throw new RangeError(`the proxy ${authority} is not among the proxies that the operator allows`);
  }
  const user = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  return {
    origin: `${url.protocol}//${authority}`,
    hostname: url.hostname.replace(/^\[|\]$/g, ''),
    port,
    isTls,
    headers: url.username === '' ? {} : { 'proxy-authorization': `Basic ${Buffer.from(user).toString('base64')}` },
  };
}

/**
 * A connection to `host:port` through the proxy, by CONNECT (RFC 9110, 9.3.6). Rejects with a ProxyError, or with the
 * signal's reason.
 */
export async function openTunnel(proxy: UpstreamProxy, authority: string, signal: AbortSignal): Promise<Socket> {
  const ask = proxy.isTls ? requestByHttps : requestByHttp;
  const request = ask({
    host: proxy.hostname,
    port: proxy.port,
    method: 'CONNECT',
    path: authority,
    headers: { host: authority, ...proxy.headers },
    agent: false,
    signal,
  });
  request.end();
  try {
    const answered = Promise.race([once(request, 'connect'), once(request, 'response')]);
    const [response, socket, head] = (await answered) as [IncomingMessage, Socket | undefined, Buffer | undefined];
    const status = response.statusCode ?? 0;
    if (socket === undefined || status < 200 || status >= 300) throw refusalOf(proxy, status);
    if (head !== undefined && head.length > 0) socket.unshift(head);
    return socket;
  } catch (error) {
    request.destroy();
    signal.throwIfAborted();
    throw error instanceof ProxyError ? error : unreachable(proxy, error);
  }
}

/** The proxy's own refusal of a request that it was to send on; undefined for every other answer, which is the site's. */
export function refusalByStatus(proxy: UpstreamProxy, status: number): ProxyError | undefined {
  return status === 407 ? refusalOf(proxy, status) : undefined;
}

export function unreachable({ origin }: UpstreamProxy, cause: unknown): ProxyError {
  const message = cause instanceof Error && cause.message !== '' ? cause.message : String(cause);
  return new ProxyError(`the proxy ${origin} cannot be reached: ${message}`, { cause });
}

function refusalOf({ origin }: UpstreamProxy, status: number): ProxyError {
  const why = status === 407 ? 'refuses the credentials (407)' : `answered ${status} to a tunnel`;
  return new ProxyError(`the proxy ${origin} ${why}`);
}

export type ProxyDispatcher = {
  readonly dispatcher: Dispatcher;
  readonly close: () => Promise<void>;
};

/** Sends requests for `https:` through tunnels, and those for `http:` to the proxy to be sent on (RFC 9112, 3.2.2). */
export function createProxyDispatcher(
  proxy: UpstreamProxy,
  connectTimeoutMs: number,
  options: Omit<Agent.Options, 'connect'>,
  /** For the sites, not for the proxy. */
  tls: TlsOptions = {},
): ProxyDispatcher {
  const overTls = buildConnector({ ...tls, timeout: connectTimeoutMs });
  const toProxy = buildConnector({ timeout: connectTimeoutMs });

  const tunnels = new Agent({
    ...options,
    connect(target, callback) {
      const authority = `${target.hostname}:${target.port === '' ? 443 : target.port}`;
      openTunnel(proxy, authority, AbortSignal.timeout(connectTimeoutMs)).then(
        (httpSocket) => overTls({ ...target, httpSocket }, callback),
        (error: Error) => callback(error instanceof ProxyError ? error : unreachable(proxy, error), null),
      );
    },
  });
  const forwards = new Agent({
    ...options,
    connect(target, callback) {
      toProxy({ ...target, servername: proxy.hostname }, (...[error, socket]) => {
        if (error === null) callback(null, socket);
        else callback(unreachable(proxy, error), null);
      });
    },
  });
  const dispatcher = tunnels.compose((dispatch) => (request, handler) => {
    const origin = new URL(String(request.origin));
    if (origin.protocol === 'https:') return dispatch(request, handler);
    const headers = { ...(request.headers as Record<string, string>), ...proxy.headers, host: origin.host };
    const path = `${origin.origin}${request.path}`;
    return forwards.dispatch({ ...request, origin: proxy.origin, path, headers }, handler);
  });
  return {
    dispatcher,
    async close() {
      await Promise.all([tunnels.destroy(), forwards.destroy()]);
    },
  };
}
