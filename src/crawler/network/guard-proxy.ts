// The browser's only way out: an HTTP proxy on loopback that connects where the address guard lets it, for pages and
// everything that they load. A password keeps other processes from using it.

import { randomBytes, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import {
  Agent,
  type ClientRequest,
  createServer,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  request,
  type ServerResponse,
} from 'node:http';
import { request as requestByTls, Agent as TlsAgent } from 'node:https';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { type Duplex, pipeline } from 'node:stream';
import QuickLRU from 'quick-lru';
import { type Failure, failureOfError } from '../failure.ts';
import type { AddressGuard } from './address-guard.ts';
import { openTunnel, refusalByStatus, type UpstreamProxy, unreachable } from './upstream-proxy.ts';

const CONNECT_TIMEOUT_MS = 10_000;
/** Connections to one origin. A browser opens at most six to a host, for each of its contexts. */
const CONNECTIONS = 64;
/** Of an answer, as by HTTP. */
const MAX_HEADER_BYTES = 64 * 1024;
/** Origins whose last failure is remembered. */
const MAX_FAILURES = 1_000;
/** Marks answers that are the proxy's own; a site that sends it fools only the crawl of itself. */
export const PROXY_FAILURE_HEADER = 'trawler-proxy-failure';

export type GuardProxy = {
  readonly port: number;
  readonly username: string;
  readonly password: string;
  /** Why the last connection to `host:port` failed, if it did: a browser only says that a tunnel could not be made. */
  readonly failureOf: (authority: string) => Failure | undefined;
  readonly close: () => Promise<void>;
};

/** @param upstream by which everything goes that the guard lets through; directly without one */
export async function startGuardProxy(guard: AddressGuard, upstream?: UpstreamProxy): Promise<GuardProxy> {
  const username = 'browser';
  const password = randomBytes(24).toString('base64url');
  const expected = Buffer.from(`Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`);
  const pooling = { keepAlive: true, maxSockets: CONNECTIONS, scheduling: 'lifo' } as const;
  const agent = upstream?.isTls ? new TlsAgent(pooling) : new Agent(pooling);
  const failures = new QuickLRU<string, Failure>({ maxSize: MAX_FAILURES });
  const tunnels = new Set<Duplex>();

  function mayUse(message: IncomingMessage): boolean {
    const given = Buffer.from(message.headers['proxy-authorization'] ?? '');
    return given.length === expected.length && timingSafeEqual(given, expected);
  }

  function remember(host: string, port: number, error: unknown): Failure {
    const failure = failureOfError(error);
    const authority = `${host}:${port}`;
    failures.set(authority, failure);
    return failure;
  }

  /** `https:` and web sockets: a tunnel, of which only the address is seen. */
  function tunnel(message: IncomingMessage, client: Duplex, head: Buffer): void {
    client.on('error', () => client.destroy());
    if (!mayUse(message)) {
      client.end(`HTTP/1.1 407 Proxy Authentication Required\r\n${CHALLENGE}\r\nContent-Length: 0\r\n\r\n`);
      return;
    }
    const target = URL.parse(`http://${message.url}`);
    if (target === null) {
      client.end('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n');
      return;
    }
    const host = target.hostname;
    const port = target.port === '' ? 80 : Number(target.port);

    function refuse(error: unknown): void {
      const status = remember(host, port, error).cause === 'AddressForbidden' ? '403 Forbidden' : '502 Bad Gateway';
      client.end(`HTTP/1.1 ${status}\r\nContent-Length: 0\r\n\r\n`);
    }

    const opening = upstream === undefined ? openSocket(guard, host, port) : openBeyond(upstream, host, port);
    opening.then((server) => {
      failures.delete(`${host}:${port}`);
      client.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      server.write(head);
      join(client, server);
    }, refuse);
  }

  async function openBeyond(proxy: UpstreamProxy, host: string, port: number): Promise<Socket> {
    await guard.checkBeforeProxy(host, port);
    const socket = await openTunnel(proxy, `${host}:${port}`, AbortSignal.timeout(CONNECT_TIMEOUT_MS));
    return socket.on('error', () => socket.destroy());
  }

  function join(client: Duplex, server: Socket): void {
    for (const end of [client, server]) {
      tunnels.add(end);
      end.once('close', () => tunnels.delete(end));
    }
    pipeline(client, server, client, () => {});
  }

  /** `http:`: one request, sent on over a kept connection to the origin. */
  function forward(message: IncomingMessage, response: ServerResponse): void {
    if (!mayUse(message)) {
      response.writeHead(407, { 'proxy-authenticate': 'Basic realm="browser"' }).end();
      return;
    }
    const url = URL.parse(message.url ?? '');
    if (url === null || url.protocol !== 'http:') {
      response.writeHead(400).end();
      return;
    }
    const port = url.port === '' ? 80 : Number(url.port);

    function fail(error: unknown): void {
      // The browser went away first: that is no failure of the host.
      if (response.closed) return;
      const failure = remember(url?.hostname ?? '', port, error);
      if (response.headersSent) response.destroy();
      else response.writeHead(502, { [PROXY_FAILURE_HEADER]: failure.cause }).end();
    }

    function send(onward: ClientRequest): void {
      onward.on('error', (error) => fail(upstream === undefined ? error : unreachable(upstream, error)));
      onward.on('response', (answer) => {
        const refusal = upstream && refusalByStatus(upstream, answer.statusCode ?? 0);
        if (refusal !== undefined) {
          answer.resume();
          fail(refusal);
          return;
        }
        failures.delete(`${url?.hostname}:${port}`);
        response.writeHead(answer.statusCode ?? 502, answer.statusMessage, answerHeaders(answer));
        pipeline(answer, response, () => {});
      });
      response.on('close', () => onward.destroy());
      message.pipe(onward);
    }

    if (upstream === undefined) {
      try {
        send(requestDirectly(url, port, message));
      } catch (error) {
        fail(error);
      }
    } else {
      const proxy = upstream;
      guard.checkBeforeProxy(url.hostname, port).then(() => send(requestBeyond(proxy, url, message)), fail);
    }
  }

  function requestDirectly(url: URL, port: number, message: IncomingMessage): ClientRequest {
    guard.checkLiteral(url.hostname, port);
    const onward = request({
      agent,
      host: url.hostname.replace(/^\[|\]$/g, ''),
      port,
      method: message.method,
      path: url.pathname + url.search,
      maxHeaderSize: MAX_HEADER_BYTES,
      headers: onwardHeaders(message),
      lookup: guard.lookup(port),
      setHost: false,
    });
    return onward.on('socket', (socket) => guardSocket(guard, url.hostname, port, socket));
  }

  function requestBeyond(proxy: UpstreamProxy, url: URL, message: IncomingMessage): ClientRequest {
    return (proxy.isTls ? requestByTls : request)({
      agent,
      host: proxy.hostname,
      port: proxy.port,
      method: message.method,
      path: `${url.origin}${url.pathname}${url.search}`,
      maxHeaderSize: MAX_HEADER_BYTES,
      headers: { ...onwardHeaders(message), ...proxy.headers },
      setHost: false,
    });
  }

  const server = createServer({ keepAliveTimeout: 60_000, maxHeaderSize: 256 * 1024 }, forward);
  server.on('connect', tunnel);
  server.on('clientError', (_, socket) => socket.destroy());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');

  return {
    port: (server.address() as AddressInfo).port,
    username,
    password,
    failureOf: (authority) => failures.get(authority),
    async close() {
      for (const end of tunnels) end.destroy();
      agent.destroy();
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

const CHALLENGE = 'Proxy-Authenticate: Basic realm="browser"';

/** Connects where the guard allows it, and has checked the address when it resolves. */
async function openSocket(guard: AddressGuard, hostname: string, port: number): Promise<Socket> {
  guard.checkLiteral(hostname, port);
  const host = hostname.replace(/^\[|\]$/g, '');
  const socket = connect({ host, port, lookup: guard.lookup(port), noDelay: true, timeout: CONNECT_TIMEOUT_MS });
  socket.once('timeout', () => socket.destroy(Object.assign(new Error('connect timed out'), { code: 'ETIMEDOUT' })));
  await once(socket, 'connect');
  socket.setTimeout(0);
  socket.on('error', () => socket.destroy());
  try {
    guard.checkConnected(hostname, port, socket);
  } catch (error) {
    socket.destroy();
    throw error;
  }
  return socket;
}

/** The connected address is checked before the first byte is sent: Node writes a request after `connect` listeners. */
function guardSocket(guard: AddressGuard, hostname: string, port: number, socket: Socket): void {
  function check(): void {
    try {
      guard.checkConnected(hostname, port, socket);
    } catch (error) {
      socket.destroy(error as Error);
    }
  }
  if (socket.connecting) socket.prependOnceListener('connect', check);
  else check();
}

const HOP_BY_HOP = new Set([
  ...['connection', 'keep-alive', 'proxy-authenticate', 'proxy-authorization', 'proxy-connection'],
  ...['te', 'trailer', 'transfer-encoding', 'upgrade'],
]);

function withoutHopByHop(headers: OutgoingHttpHeaders): OutgoingHttpHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !HOP_BY_HOP.has(name)));
}

/** Node keeps the first of repeated Content-Type headers; browsers go by them all. */
function answerHeaders({ headers, headersDistinct }: IncomingMessage): OutgoingHttpHeaders {
  const type = Object.entries(headersDistinct).filter(([name]) => name === 'content-type');
  return withoutHopByHop(Object.fromEntries([...Object.entries(headers), ...type]));
}

/** A body keeps the framing that it came with: its length is a header that goes on, else it is chunked anew. */
function onwardHeaders(message: IncomingMessage): OutgoingHttpHeaders {
  return withoutHopByHop(message.headers);
}
