// Whose connection goes when there are too many.
import { EventEmitter } from 'node:events';
import type { Server } from 'node:net';
import { expect, test } from 'vitest';
import { boundConnections } from '#src/gateway/fair-connections.ts';

class FakeSocket extends EventEmitter {
  readonly remoteAddress: string;
  destroyed = false;

  constructor(remoteAddress: string) {
    super();
    this.remoteAddress = remoteAddress;
  }

  destroy(): void {
    this.destroyed = true;
    this.emit('close');
  }
}

/** Opens connections from these addresses one after another; which of them are left. */
function left(most: number, addresses: readonly string[], closing: readonly number[] = []): string {
  const server = new EventEmitter();
  boundConnections(server as Server, most);
  const sockets: FakeSocket[] = [];
  for (const address of addresses) {
    const socket = new FakeSocket(address);
    sockets.push(socket);
    server.emit('connection', socket);
    if (closing.includes(sockets.length)) socket.destroy();
  }
  return sockets.map(({ remoteAddress, destroyed }) => (destroyed ? '-' : remoteAddress)).join('');
}

test.each<[string, readonly string[], readonly number[], string]>([
  ['nobody’s while there is room', [...'aabb'], [], 'aabb'],
  ['the newcomer’s, when it has most', [...'aabaa'], [], 'aaba-'],
  ['the newest of whoever has most', [...'aaabc'], [], 'aa-bc'],
  ['one for each that comes', [...'aaaabcde'], [], 'a---bcd-'],
  ['nobody’s when others have closed theirs', [...'aaabb'], [1], '-aabb'],
])('%s', (_, addresses, closing, expected) => {
  expect(left(4, addresses, closing)).toBe(expected);
});
