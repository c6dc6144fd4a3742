// A TCP proxy in front of a server that breaks connections as a bad network does, some after the server has done its work.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface TcpProxy extends AsyncDisposable {
  /** On 127.0.0.1. */
  readonly port: number;
  /** Breaks every connection that there is. */
  cutAll(): void;
  /** While true, the server is away: connections are broken, and so is each new one. */
  setAway(isAway: boolean): void;
  /**
   * The next connection that sends this text gets nothing any more, and is broken when the server has sent a chunk with
   * these bytes at its end: the server has done what it was asked, and its answer is lost.
   */
  loseAnswerTo(text: string, lastBytes: Buffer): void;
}

export async function startTcpProxy(target: { readonly host: string; readonly port: number }): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  let toLose: { readonly text: string; readonly lastBytes: Buffer } | undefined;

  let isAway = false;
  const server = createServer((client) => {
    if (isAway) {
      client.on('error', () => undefined).destroy();
      return;
    }
    const upstream = connect(target.port, target.host);
    let losingUntil: Buffer | undefined;
    const end = () => {
      for (const socket of [client, upstream]) {
        socket.destroy();
        sockets.delete(socket);
      }
    };
    for (const socket of [client, upstream]) {
      sockets.add(socket.setNoDelay(true));
      socket.on('error', end).on('close', end);
    }
    const pass = (chunk: Buffer, from: Socket, to: Socket) => {
      if (to.write(chunk)) return;
      from.pause();
      to.once('drain', () => from.resume());
    };
    client.on('data', (chunk) => {
      if (toLose !== undefined && chunk.includes(toLose.text)) {
        losingUntil = toLose.lastBytes;
        toLose = undefined;
      }
      pass(chunk, client, upstream);
    });
    upstream.on('data', (chunk) => {
      if (losingUntil === undefined) pass(chunk, upstream, client);
      else if (chunk.subarray(-losingUntil.length).equals(losingUntil)) end();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');

  const cutAll = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    cutAll,
    setAway(value) {
      isAway = value;
      if (isAway) cutAll();
    },
    loseAnswerTo(text, lastBytes) {
      toLose = { text, lastBytes };
    },
    async [Symbol.asyncDispose]() {
      cutAll();
      server.close();
      await once(server, 'close');
    },
  };
}
