// Servers that break the protocol, on purpose or by mistake, byte by byte: each page ends with its cause, the next page
// is none the worse, and nothing stays in memory.
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createExtraction } from '#src/crawler/extraction/extraction.ts';
import { createHttpClient, type HttpClient } from '#src/crawler/http/http-client.ts';
import { createHttpRenderer } from '#src/crawler/http/http-renderer.ts';
import type { Rendered } from '#src/crawler/rendering/renderer.ts';
import { guardAllowing } from './site.ts';

const { plan } = createExtraction(undefined);
const never = new AbortController().signal;
/** For what never ends by itself. */
const SHORT_MS = 400;

/** What is done with a connection once a request has arrived on it. */
type Behaviour = (socket: Socket) => void;

const OK = 'HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n';
const GOOD = `${OK}Content-Length: 19\r\n\r\n<title>good</title>`;

const says =
  (...parts: readonly (string | Buffer)[]): Behaviour =>
  (socket) =>
    void socket.end(Buffer.concat(parts.map((part) => Buffer.from(part))));

/** Says the same again and again, as fast as it is taken, or once in so many milliseconds. */
const repeats =
  (start: string, part: string, everyMs = 0): Behaviour =>
  (socket) => {
    socket.write(start);
    const more = () => {
      if (socket.destroyed) return;
      if (everyMs > 0) setTimeout(more, everyMs);
      else socket.once('drain', more);
      while (socket.write(part) && everyMs === 0);
    };
    more();
  };

const zeros = Buffer.alloc(64 * 1024 * 1024);
const packed = (coding: string, body: Buffer): Behaviour =>
  says(`${OK}Content-Encoding: ${coding}\r\nContent-Length: ${body.length}\r\n\r\n`, body);
const chunked = `${OK}Transfer-Encoding: chunked\r\n\r\n`;
const page = '13\r\n<title>good</title>\r\n';

type Expected = 'page' | 'Timeout' | 'ConnectionError' | 'TooLarge' | 'HttpError' | 'InvalidUrl';

const CASES: readonly (readonly [what: string, does: Behaviour, end: Expected | readonly Expected[]])[] = [
  ['one header of 80 KB', says(`${OK}X: ${'x'.repeat(80_000)}\r\n\r\n`), 'TooLarge'],
  ['headers without end', repeats(OK, `X: ${'x'.repeat(1_000)}\r\n`), 'TooLarge'],
  ['10,000 cookies', says(OK, 'Set-Cookie: a=1\r\n'.repeat(10_000), '\r\n'), 'TooLarge'],
  [
    '1,000 cookies',
    says(
      OK,
      ...Array.from({ length: 1_000 }, (_, n) => `Set-Cookie: cookie${n}=${n}\r\n`),
      'Content-Length: 0\r\n\r\n',
    ),
    'page',
  ],
  ['a header a byte at a time', repeats('HTTP/1.1 200 OK\r\nX-Slow: ', 'x', 20), 'Timeout'],
  ['a body a byte at a time', repeats(`${OK}Content-Length: 1000000\r\n\r\n`, 'x', 20), 'Timeout'],
  ['chunks without end, slowly', repeats(chunked, '1\r\nx\r\n', 20), 'Timeout'],
  ['chunks without end, fast', repeats(chunked, `10000\r\n${'x'.repeat(65_536)}\r\n`), 'TooLarge'],
  ['no answer', () => {}, 'Timeout'],
  ['the end before an answer', (socket) => socket.end(), 'ConnectionError'],
  ['the end within the headers', says('HTTP/1.1 200 OK\r\nContent-Ty'), 'ConnectionError'],
  ['a reset', (socket) => socket.resetAndDestroy(), 'ConnectionError'],
  ['no HTTP at all', says('SSH-2.0-OpenSSH_9.9\r\n'), 'ConnectionError'],
  ['a status that is no number', says('HTTP/1.1 abc OK\r\n\r\n'), 'ConnectionError'],
  ['a status of six digits', says('HTTP/1.1 200200 OK\r\n\r\n'), 'ConnectionError'],
  ['a status of 999', says('HTTP/1.1 999 Strange\r\nContent-Length: 0\r\n\r\n'), 'HttpError'],
  ['an unknown version of HTTP', says('HTTP/9.9 200 OK\r\nContent-Length: 0\r\n\r\n'), 'ConnectionError'],
  ['a header without a name', says(`${OK}: nothing\r\nContent-Length: 0\r\n\r\n`), 'ConnectionError'],
  ['NUL in a header', says(`${OK}X: a\0b\r\nContent-Length: 0\r\n\r\n`), 'ConnectionError'],
  ['a switch to another protocol', says('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n'), 'ConnectionError'],
  ['early hints without end', repeats('', 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n', 5), 'Timeout'],
  ['a body shorter than it says', says(`${OK}Content-Length: 100\r\n\r\n<title>`), 'ConnectionError'],
  ['a body longer than it says', says(GOOD, 'and more'), ['page', 'ConnectionError']],
  ['two lengths', says(`${OK}Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx`), 'ConnectionError'],
  ['a negative length', says(`${OK}Content-Length: -1\r\n\r\nxx`), 'ConnectionError'],
  ['a length beyond all numbers', says(`${OK}Content-Length: ${'9'.repeat(40)}\r\n\r\nxx`), 'ConnectionError'],
  [
    'a length and chunks',
    says(`${OK}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n${page}0\r\n\r\n`),
    'ConnectionError',
  ],
  ['a chunk of no size', says(`${chunked}zz\r\n<title>`), 'ConnectionError'],
  ['a chunk beyond all numbers', says(`${chunked}${'f'.repeat(32)}\r\n<title>`), 'ConnectionError'],
  ['chunks that break off', says(`${chunked}${page}`), 'ConnectionError'],
  ['trailers', says(`${chunked}${page}0\r\nX-Trailer: a\r\nSet-Cookie: t=1\r\n\r\n`), 'page'],
  ['trailers without end', repeats(`${chunked}${page}0\r\n`, `X: ${'x'.repeat(1_000)}\r\n`), 'TooLarge'],
  ['chunk extensions without end', repeats(`${chunked}1;`, 'x'.repeat(10_000)), 'Timeout'],
  ['a body that ends with the connection', says(`${OK}\r\n<title>good</title>`), 'page'],
  [
    'a body without length on a connection that stays',
    (socket) => void socket.write(`${OK}\r\n<title>good</title>`),
    'Timeout',
  ],
  ['an answer to nobody after the page', says(GOOD, GOOD.replace('good', 'evil')), ['page', 'ConnectionError']],
  ['a gzip bomb', packed('gzip', gzipSync(zeros)), 'TooLarge'],
  ['a brotli bomb', packed('br', brotliCompressSync(zeros)), 'TooLarge'],
  ['a zstd bomb', packed('zstd', zstdCompressSync(zeros)), 'TooLarge'],
  ['a deflate bomb', packed('deflate', deflateSync(zeros)), 'TooLarge'],
  ['a bomb in a bomb', packed('gzip, gzip', gzipSync(gzipSync(zeros))), 'TooLarge'],
  ['a bomb in three', packed('gzip, br, zstd', zstdCompressSync(brotliCompressSync(gzipSync(zeros)))), 'TooLarge'],
  ['gzip that breaks off', packed('gzip', gzipSync('<title>good</title>').subarray(0, -8)), 'page'],
  ['gzip that breaks off at once', packed('gzip', gzipSync('<title>good</title>').subarray(0, 10)), 'ConnectionError'],
  ['what is no gzip', packed('gzip', Buffer.from('<title>bad</title>')), 'ConnectionError'],
  ['fifty codings', packed(Array(50).fill('gzip').join(), Buffer.from('x')), 'HttpError'],
  [
    'a redirect to 60 KB',
    says(`HTTP/1.1 302 Found\r\nLocation: /${'x'.repeat(60_000)}\r\nContent-Length: 0\r\n\r\n`),
    'InvalidUrl',
  ],
  [
    'a redirect to another scheme',
    says('HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n'),
    'InvalidUrl',
  ],
  [
    'an error with a body without end',
    repeats('HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n', '1\r\nx\r\n', 20),
    'Timeout',
  ],
  ['unmodified, unasked', says('HTTP/1.1 304 Not Modified\r\n\r\n'), 'HttpError'],
];

const behaviours = new Map(CASES.map(([, does], number) => [`/${number}`, does]));
const sockets = new Set<Socket>();
let fuzzed: Buffer = Buffer.from('');

const server = createServer({ allowHalfOpen: true }, (socket) => {
  sockets.add(socket);
  socket.on('error', () => {});
  socket.on('close', () => sockets.delete(socket));
  socket.on('end', () => socket.end());
  socket.on('data', (data) => {
    const path = /^GET (\S+)/.exec(data.toString('latin1'))?.[1] ?? '';
    if (path === '/fuzzed') socket.end(fuzzed);
    else (behaviours.get(path) ?? ((good) => good.write(GOOD)))(socket);
  });
});
let client: HttpClient;

beforeAll(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  client = createHttpClient({
    guard: guardAllowing(`127.0.0.1:${(server.address() as AddressInfo).port}`),
    userAgent: 'Tester/1.0',
    connections: 2,
  });
});
afterAll(async () => {
  await client.close();
  for (const socket of sockets) socket.destroy();
  server.close();
  await once(server, 'close');
});

function render(path: string, timeoutMs = 20_000): Promise<Rendered> {
  const { port } = server.address() as AddressInfo;
  return createHttpRenderer(client).render(new URL(`http://127.0.0.1:${port}${path}`), plan, timeoutMs, never);
}

const endOf = (result: Rendered) => (result.type === 'failed' ? result.failure.cause : result.type);

describe('a server that answers with', () => {
  it.each(CASES.map(([what, , end], number) => ({ what, end: [end].flat(), number })))('$what', async (one) => {
    const result = await render(`/${one.number}`, one.end.includes('Timeout') ? SHORT_MS : 20_000);
    expect(one.end).toContain(endOf(result));
    if (result.type === 'page' && result.page.title !== '') expect(result.page.title).toBe('good');
    expect(await render('/after')).toMatchObject({ type: 'page', page: { title: 'good' } });
  });
});

it('anything at all, a page or a failure comes of it', async () => {
  const line = fc.constantFrom(
    ...[
      'HTTP/1.1 200 OK\r\n',
      'HTTP/1.1 302 Found\r\n',
      'HTTP/1.0 404 x\r\n',
      'HTTP/1.1 304 x\r\n',
      'HTTP/1.1 100 x\r\n\r\n',
    ],
  );
  const bytes = fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array).toString('latin1'));
  const name = fc.constantFrom(
    ...['Content-Type', 'Content-Length', 'Content-Encoding', 'Transfer-Encoding', 'Location', 'Set-Cookie', 'ETag'],
    ...['Last-Modified', 'Date', 'Retry-After', 'Connection', 'Trailer', 'Upgrade', 'X-Robots-Tag', 'Link'],
  );
  const known = fc.constantFrom(
    ...['text/html', 'text/html; charset=utf-16', 'text/html;charset="x', 'gzip', 'br', 'chunked', '5', '-1', '1e9'],
    ...['a=1; Domain=.', '//', '/\\x', 'http://[', '"x"', 'Sun, 22 Nov 2026 99:00:00 GMT', 'close', '99999999999'],
  );
  const header = fc.tuple(name, fc.oneof(known, bytes)).map(([key, value]) => `${key}: ${value}\r\n`);
  const answer = fc.oneof(
    bytes,
    fc.tuple(line, fc.array(header, { maxLength: 12 }), bytes).map(([start, headers, body]) => {
      return `${start}${headers.join('')}\r\n${body}`;
    }),
  );
  await fc.assert(
    fc.asyncProperty(answer, async (text) => {
      fuzzed = Buffer.from(text, 'latin1');
      const result = await render('/fuzzed', 2_000);
      expect(['page', 'redirect', 'notHtml', 'failed']).toContain(result.type);
      if (result.type === 'failed') expect(result.failure.message).not.toBe('');
    }),
    { numRuns: 300 },
  );
  expect(endOf(await render('/after'))).toBe('page');
});

it('nothing stays of it', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  /** Megabytes that are held; what is freed in the background is waited for. */
  const used = async () => {
    let held = Number.POSITIVE_INFINITY;
    for (;;) {
      collect();
      await new Promise((resolve) => setTimeout(resolve, 50));
      const { heapUsed, external } = process.memoryUsage();
      const now = (heapUsed + external) / 1024 / 1024;
      if (now > held - 0.1) return now;
      held = now;
    }
  };
  const quick = CASES.flatMap(([, , end], number) => ([end].flat().includes('Timeout') ? [] : [number]));
  const round = async () => {
    for (const number of quick) await render(`/${number}`);
  };
  await round();
  const before = await used();
  for (let rounds = 0; rounds < 5; rounds++) await round();
  // Every round reads more than 100 MB.
  expect((await used()) - before).toBeLessThan(16);
});
