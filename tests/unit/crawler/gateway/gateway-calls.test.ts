// What a worker makes of answers that tell it to come again: those of the gateway, and of what may stand before it.
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { openGateway } from '#src/crawler/gateway/gateway-calls.ts';

let server: Server;
afterEach(() => new Promise((resolve) => server.close(resolve)));

async function answerWith(status: number, headers: Record<string, string>, body: string): Promise<unknown> {
  server = createServer((request, response) => {
    request.resume().on('end', () => response.writeHead(status, headers).end(body));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const calls = openGateway({ url: `http://127.0.0.1:${port}`, token: 'token' });
  try {
    return await calls.call('finish', {} as never, new AbortController().signal).catch((error: unknown) => error);
  } finally {
    await calls.close();
  }
}

const PROBLEM = JSON.stringify({ title: 'Unavailable', status: 503, reason: 'Unavailable' });

test.each<[status: number, retryAfter: string, body: string, retryAfterMs: number]>([
  [503, '2', PROBLEM, 2_000],
  [429, '1', PROBLEM, 1_000],
  [503, '0.5', PROBLEM, 500],
  [503, 'Thu, 01 Jan 1970 00:00:00 GMT', PROBLEM, 0],
  [502, '3', '<h1>Bad Gateway</h1>', 3_000],
  [429, '4', '', 4_000],
])('status %i with Retry-After %s is no use before that', async (status, retryAfter, body, retryAfterMs) => {
  const error = await answerWith(status, { 'retry-after': retryAfter }, body);
  expect(error).toMatchObject({ name: 'StoreError', reason: 'Unavailable', retryAfterMs });
});

test.each([{}, { 'retry-after': 'soon' }])(
  'without a time in the answer there is none in the error: %o',
  async (headers) => {
    const error = await answerWith(503, headers, PROBLEM);
    expect(error).toMatchObject({ reason: 'Unavailable', retryAfterMs: undefined });
  },
);
