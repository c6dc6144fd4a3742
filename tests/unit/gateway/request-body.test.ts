// How much of the gateway's memory the bodies of one run may take. A byte of text takes six bytes of it.
import type { IncomingMessage } from 'node:http';
import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { createBodyReader } from '#src/gateway/request-body.ts';

/** A request of which so many bytes have come, and whose end has not. */
function request(bytes: number, headers: Readonly<Record<string, string>> = {}): IncomingMessage & PassThrough {
  const body = Object.assign(new PassThrough(), { headers });
  body.write(`"${'x'.repeat(bytes - 2)}"`);
  return body as unknown as IncomingMessage & PassThrough;
}

const read = async (body: unknown) => String(body).length;

test('a run takes half of the room, and each one more half of what is left', async () => {
  const bodies = createBodyReader(6_000);
  const held = [
    ['a', request(250)],
    ['a', request(250)],
    ['b', request(250)],
    ['c', request(124)],
  ] as const;
  const reading = held.map(([run, body]) => bodies.withJson(body, run, 1_000, read));
  for (const [run, bytes] of [
    ['a', 3],
    ['b', 3],
    ['c', 3],
    ['d', 66],
  ] as const) {
    await expect(bodies.withJson(request(bytes), run, 1_000, read)).rejects.toMatchObject({ status: 503 });
  }
  const small = request(20);
  small.end();
  expect(await bodies.withJson(small, 'd', 1_000, read)).toBe(18);
  for (const [, body] of held) body.end();
  expect(await Promise.all(reading)).toEqual([248, 248, 248, 122]);
});

test('a body has its room before its first byte, and what there is no room for is not read', async () => {
  const bodies = createBodyReader(6_000);
  const announced = (bytes: number) =>
    Object.assign(new PassThrough(), { headers: { 'content-length': String(bytes) } }) as unknown as IncomingMessage &
      PassThrough;
  const first = announced(300);
  const reading = bodies.withJson(first, 'a', 1_000, read);
  const second = announced(300);
  await expect(bodies.withJson(second, 'a', 1_000, read)).rejects.toMatchObject({ status: 503 });
  expect(second.readableFlowing).toBe(null);
  first.end(`"${'x'.repeat(298)}"`);
  expect(await reading).toBe(298);
  const later = announced(300);
  later.end(`"${'x'.repeat(298)}"`);
  expect(await bodies.withJson(later, 'a', 1_000, read)).toBe(298);
});

test('room is free again when the answer was given, and not before', async () => {
  const bodies = createBodyReader(6_000);
  const { promise: answer, resolve } = Promise.withResolvers<string>();
  const used = request(375);
  used.end();
  const using = bodies.withJson(used, 'a', 1_000, () => answer);
  await expect(bodies.withJson(request(200), 'a', 1_000, read)).rejects.toMatchObject({ status: 503 });
  resolve('answered');
  expect(await using).toBe('answered');
  const later = request(375);
  later.end();
  expect(await bodies.withJson(later, 'a', 1_000, read)).toBe(373);
});

test('values take more room than their bytes, and what takes more than half of it is never taken', async () => {
  const bodies = createBodyReader(6_000);
  const values = (count: number) =>
    Object.assign(new PassThrough().end(`[${'[],'.repeat(count)}0]`), { headers: {} }) as unknown as IncomingMessage;
  expect(await bodies.withJson(values(30), 'a', 1_000, async (body) => (body as unknown[]).length)).toBe(31);
  await expect(bodies.withJson(values(40), 'a', 1_000, read)).rejects.toMatchObject({ status: 413 });
});

test.each([
  ['larger than its call may be', request(100), 413],
  ['said to be larger', request(10, { 'content-length': '100' }), 413],
  ['encoded', request(10, { 'content-encoding': 'gzip' }), 415],
  ['that is no JSON', Object.assign(new PassThrough().end('{'), { headers: {} }) as unknown as IncomingMessage, 400],
])('a body %s is refused', async (_, body, status) => {
  await expect(createBodyReader(6_000).withJson(body, 'a', 50, read)).rejects.toMatchObject({ status });
});
