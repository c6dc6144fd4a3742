// A proxy of the test's own: tunnels by CONNECT and sends plain requests on, with a password, and keeps a log.
import { once } from 'node:events';
import { createServer, type IncomingMessage, request } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import type { Duplex } from 'node:stream';

export type TestProxy = AsyncDisposable & {
  readonly port: number;
  readonly authority: string;
  /** As a Secret holds it. */
  readonly url: string;
  /** `CONNECT host:port` or `GET url`, in order; refused ones are not here. */
  readonly log: readonly string[];
  /** Requests whose credentials were wrong. */
  readonly refused: () => number;
};

/** Connects names that no resolver knows to loopback: the proxy resolves for itself. */
export async function startProxy(user = 'crawler', password = 'p@ss:word'): Promise<TestProxy> {
  const log: string[] = [];
  let refused = 0;
  const expected = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  const sockets = new Set<Duplex>();
  const resolved = (hostname: string) => (hostname.endsWith('.test') ? '127.0.0.1' : hostname);

  function isKnown(message: IncomingMessage): boolean {
    if (message.headers['proxy-authorization'] === expected) return true;
    refused++;
    return false;
  }

  const server = createServer((message, response) => {
    if (!isKnown(message)) {
      response.writeHead(407, { 'proxy-authenticate': 'Basic realm="test"' }).end();
      return;
    }
    log.push(`${message.method} ${message.url}`);
    const url = new URL(message.url ?? '');
    const headers = { ...message.headers };
    delete headers['proxy-authorization'];
    headers['by-proxy'] = 'yes';
    const onward = request({ host: resolved(url.hostname), port: url.port, path: url.pathname + url.search, headers });
    onward.on('response', (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.writeHead(502).end());
    message.pipe(onward);
  });
  server.on('connect', (message: IncomingMessage, client: Duplex) => {
    sockets.add(client.on('error', () => {}));
    if (!isKnown(message)) {
      client.end('HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n');
      return;
    }
    log.push(`CONNECT ${message.url}`);
    const { hostname, port } = new URL(`http://${message.url}`);
    const onward = connect(Number(port), resolved(hostname), () => {
      client.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      client.pipe(onward).pipe(client);
    });
    onward.on('error', () => client.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    port,
    authority: `127.0.0.1:${port}`,
    url: `http://${user}:${encodeURIComponent(password)}@127.0.0.1:${port}`,
    log,
    refused: () => refused,
    async [Symbol.asyncDispose]() {
      if (!server.listening) return;
      for (const socket of sockets) socket.destroy();
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
