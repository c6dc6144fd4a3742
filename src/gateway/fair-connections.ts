// A bounded number of connections: beyond it, the address that has most of them loses its newest.
import type { Server, Socket } from 'node:net';

/** Only whoever takes more than everybody else is hurt by it, be it the newcomer. */
export function boundConnections(server: Server, most: number): void {
  const byAddress = new Map<string, Set<Socket>>();
  let open = 0;

  function leave(address: string, socket: Socket): void {
    const sockets = byAddress.get(address);
    if (!sockets?.delete(socket)) return;
    open--;
    if (sockets.size === 0) byAddress.delete(address);
  }

  server.on('connection', (socket: Socket) => {
    const { remoteAddress: address = '' } = socket;
    const ofAddress = byAddress.get(address) ?? new Set();
    byAddress.set(address, ofAddress.add(socket));
    open++;
    socket.once('close', () => leave(address, socket));
    if (open <= most) return;
    const [greediest, sockets] = [...byAddress].reduce((a, b) => (b[1].size > a[1].size ? b : a), [address, ofAddress]);
    const newest = [...sockets].at(-1);
    if (newest === undefined) return;
    leave(greediest, newest);
    newest.destroy();
  });
}
