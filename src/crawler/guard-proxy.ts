// The browser's only way out: an HTTP proxy on loopback that connects where the address guard lets it, for pages and
// everything that they load. A password keeps other processes from using it.
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import {
  Agent,
  createServer,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  request,
  type ServerResponse,
} from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { type Duplex, pipeline } from 'node:stream';
import type { AddressGuard } from './address-guard.ts';
import { type Failure, failureOfError } from './failure.ts';

const CONNECT_TIMEOUT_MS = 10_000;
/** Connections to one origin. A browser opens at most six to a host, for each of its contexts. */
const CONNECTIONS = 64;
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

export async function startGuardProxy(guard: AddressGuard): Promise<GuardProxy> {
  const username = 'browser';
  const password = randomBytes(24).toString('base64url');
  const expected = Buffer.from(`Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`);
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS, scheduling: 'lifo' });
  const failures = new Map<string, Failure>();
  const tunnels = new Set<Duplex>();

  function mayUse(message: IncomingMessage): boolean {
    const given = Buffer.from(message.headers['proxy-authorization'] ?? '');
    return given.length === expected.length && timingSafeEqual(given, expected);
  }

  function remember(host: string, port: number, error: unknown): Failure {
    const failure = failureOfError(error);
    const authority = `${host}:${port}`;
    failures.delete(authority);
    failures.set(authority, failure);
    const [oldest] = failures.keys();
    if (failures.size > MAX_FAILURES && oldest !== undefined) failures.delete(oldest);
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

    const server = openSocket(guard, host, port, (error) => {
      if (error !== undefined) {
        refuse(error);
        return;
      }
      failures.delete(`${host}:${port}`);
      client.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      server?.write(head);
      if (server !== undefined) join(client, server);
    });
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

    try {
      guard.checkLiteral(url.hostname, port);
    } catch (error) {
      fail(error);
      return;
    }
    const onward = request({
      agent,
      host: url.hostname.replace(/^\[|\]$/g, ''),
      port,
      method: message.method,
      path: url.pathname + url.search,
      headers: onwardHeaders(message),
      lookup: guard.lookup(port),
      setHost: false,
    });
    onward.on('socket', (socket) => guardSocket(guard, url.hostname, port, socket));
    onward.on('error', fail);
    onward.on('response', (answer) => {
      failures.delete(`${url.hostname}:${port}`);
      response.writeHead(answer.statusCode ?? 502, answer.statusMessage, withoutHopByHop(answer.headers));
      pipeline(answer, response, () => {});
    });
    response.on('close', () => onward.destroy());
    message.pipe(onward);
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

/** Connects where the guard allows it; `done` is called once, with the error or when the address has been checked. */
function openSocket(
  guard: AddressGuard,
  hostname: string,
  port: number,
  done: (error?: unknown) => void,
): Socket | undefined {
  try {
    guard.checkLiteral(hostname, port);
  } catch (error) {
    done(error);
    return undefined;
  }
  const host = hostname.replace(/^\[|\]$/g, '');
  const socket = connect({ host, port, lookup: guard.lookup(port), noDelay: true, timeout: CONNECT_TIMEOUT_MS });
  socket.once('timeout', () => socket.destroy(Object.assign(new Error('connect timed out'), { code: 'ETIMEDOUT' })));
  socket.once('error', done);
  socket.once('connect', () => {
    socket.setTimeout(0);
    socket.off('error', done);
    socket.on('error', () => socket.destroy());
    try {
      guard.checkConnected(hostname, port, socket);
      done();
    } catch (error) {
      socket.destroy();
      done(error);
    }
  });
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

/** A body keeps the framing that it came with: its length is a header that goes on, else it is chunked anew. */
function onwardHeaders(message: IncomingMessage): OutgoingHttpHeaders {
  return withoutHopByHop(message.headers);
}
