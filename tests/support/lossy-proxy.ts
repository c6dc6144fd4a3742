// A TCP proxy in front of PostgreSQL that lets a statement take effect and loses its answer, as a broken network does.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface LossyProxy extends AsyncDisposable {
  /** The same database, by way of the proxy. */
  readonly databaseUrl: string;
  /** The next statement with this text is carried out, committed, and its connection broken in place of the answer. */
  loseAnswerTo(text: string): void;
}

/** What the server sends last, when a statement is over and committed: "ready for query, idle". */
const READY = Buffer.from([0x5a, 0, 0, 0, 5, 0x49]);

export async function startLossyProxy(databaseUrl: string): Promise<LossyProxy> {
  const target = new URL(databaseUrl);
  const sockets = new Set<Socket>();
  let toLose: string | undefined;

  const server = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname);
    let isLosing = false;
    const end = () => {
      client.destroy();
      upstream.destroy();
      sockets.delete(client);
      sockets.delete(upstream);
    };
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', end).on('close', end);
    }
    client.on('data', (chunk) => {
      if (toLose !== undefined && chunk.includes(toLose)) {
        toLose = undefined;
        isLosing = true;
      }
      upstream.write(chunk);
    });
    upstream.on('data', (chunk) => {
      if (!isLosing) client.write(chunk);
      else if (chunk.subarray(-READY.length).equals(READY)) end();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const proxied = new URL(databaseUrl);
  proxied.port = String((server.address() as AddressInfo).port);
  return {
    databaseUrl: proxied.href,
    loseAnswerTo(text) {
      toLose = text;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
