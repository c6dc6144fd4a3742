// Pages by HTTP: what servers answer, and what hostile ones try.
import { gzipSync, zstdCompressSync } from 'node:zlib';
import iconv from 'iconv-lite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createExtraction } from '#src/crawler/extraction/extraction.ts';
import { createHttpClient, type HttpClient } from '#src/crawler/http/http-client.ts';
import { createHttpRenderer } from '#src/crawler/http/http-renderer.ts';
import { MAX_PAGE_BYTES } from '#src/crawler/rendering/renderer.ts';
import { type Answer, guardAllowing, html, startSite, type TestSite } from './site.ts';

const { plan } = createExtraction(undefined);
const never = new AbortController().signal;

/** 64 KB that unpack to 64 MB. */
const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024));

const endless: Answer = (_, response) => {
  response.writeHead(200, { 'content-type': 'text/html' });
  const chunk = Buffer.alloc(64 * 1024, 'x');
  const more = () => {
    while (!response.destroyed && response.write(chunk));
  };
  response.on('drain', more);
  more();
};

function packed(encoding: string, body: Buffer): Answer {
  return (_, response) =>
    void response.writeHead(200, { 'content-type': 'text/html', 'content-encoding': encoding }).end(body);
}

function xhtml(head: string): string {
  return `<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><head>${head}</head><body/></html>`;
}

const answers: Record<string, Answer> = {
  '/page': html('<title>Page</title><h1>Hello</h1><a href=next>next</a>'),
  '/gzip': packed('gzip', gzipSync('<title>Packed</title>')),
  '/twice': packed('zstd, gzip', gzipSync(zstdCompressSync('<title>Packed</title>'))),
  '/bomb': packed('gzip', bomb),
  '/xhtml': html('<title>X</title>', { 'content-type': 'application/xhtml+xml' }),
  '/untyped': (_, response) => void response.writeHead(200).end('\n <html><title>Untyped</title>'),
  '/binary': (_, response) => void response.writeHead(200).end('MZ\0\0'),
  '/pdf': html('%PDF', { 'content-type': 'application/pdf' }),
  '/empty': (_, response) => void response.writeHead(204).end(),
  '/error': html('<title>no</title>', { 'retry-after': '7' }, 503),
  '/limit': html('', { 'retry-after': '2' }, 429),
  '/gone': html('', {}, 410),
  '/strange': html('', {}, 304),
  '/moved': (_, response) => void response.writeHead(301, { location: '/Ünder?q=1#part' }).end(),
  '/moved-in-utf8': (_, response) =>
    void response.writeHead(301, { location: Buffer.from('/Ünder?q=1').toString('latin1') }).end(),
  '/mail': (_, response) => void response.writeHead(302, { location: 'mailto:a@b.c' }).end(),
  '/nowhere': (_, response) => void response.writeHead(302).end(),
  '/slow': () => {},
  '/drip': (_, response) => void response.writeHead(200, { 'content-type': 'text/html' }).write('<title>'),
  '/reset': (request) => void request.socket.resetAndDestroy(),
  '/cut': (_, response) => {
    response.writeHead(200, { 'content-type': 'text/html', 'content-length': '100' }).write('<title>', () => {
      response.destroy();
    });
  },
  '/endless': endless,
  '/headers': (_, response) => void response.writeHead(200, { 'x-large': 'x'.repeat(80_000) }).end(),
  '/codings': html('', { 'content-encoding': 'gzip, gzip, gzip, gzip' }),
  '/coding': html('<title>Plain</title>', { 'content-encoding': 'rot13' }),
  '/garbled': html('this is not gzip', { 'content-encoding': 'gzip' }),
  // As server.js frameworks and proxies in front of them do together.
  '/type-twice': (_, response) =>
    void response
      .writeHead(200, [
        ...['Content-Type', 'text/html; charset=windows-1251', 'Content-Type', 'text/html'],
        ...['X-Robots-Tag', 'noarchive', 'X-Robots-Tag', 'nosnippet'],
      ])
      .end(iconv.encode('<title>Привет</title>', 'windows-1251')),
  '/xml': html(xhtml('<title>X</title>'), { 'content-type': 'application/xml' }),
  '/xml-entities': html(xhtml('<title>&eacute; &lt; &nbsp;x</title>'), { 'content-type': 'application/xhtml+xml' }),
  '/xml-script': html(xhtml('<script src="a.js"/><title>after</title>'), { 'content-type': 'text/xml' }),
  '/feed': html('<?xml version="1.0"?><rss><channel><title>no</title></channel></rss>', { 'content-type': 'text/xml' }),
  '/svg': html('<svg xmlns="http://www.w3.org/2000/svg"><title>no</title></svg>', { 'content-type': 'image/svg+xml' }),
  '/nosniff': (_, response) => void response.writeHead(200, { 'x-content-type-options': 'nosniff' }).end('<html>'),
  '/latin': (_, response) =>
    void response
      .writeHead(200, { 'content-type': 'text/html; charset=iso-8859-1' })
      .end(iconv.encode('<title>Café “x”</title>', 'windows-1252')),
};

let site: TestSite;
let client: HttpClient;

beforeAll(async () => {
  site = await startSite(answers);
  client = createHttpClient({
    guard: guardAllowing(`127.0.0.1:${site.port}`),
    userAgent: 'Tester/1.0',
    connections: 2,
  });
});

afterAll(async () => {
  await client.close();
  await site[Symbol.asyncDispose]();
});

const render = (path: string, timeoutMs = 20_000, signal = never) =>
  createHttpRenderer(client).render(site.url(path), plan, timeoutMs, signal);

describe('a page by HTTP', () => {
  it('is read, with the facts of its fetch', async () => {
    const result = await render('/page');
    expect(result).toMatchObject({
      type: 'page',
      page: { title: 'Page', heading: 'Hello', links: ['next'] },
      facts: { status: 200, finalUrl: `${site.origin}/page`, contentType: 'text/html; charset=utf-8' },
    });
    expect(result.facts.bytes).toBeGreaterThan(50);
  });

  it.each([
    ['/gzip', 'Packed'],
    ['/twice', 'Packed'],
    ['/xhtml', 'X'],
    ['/untyped', 'Untyped'],
    ['/latin', 'Café “x”'],
    ['/coding', 'Plain'],
    ['/type-twice', 'Привет'],
    ['/xml', 'X'],
    ['/xml-entities', 'é < x'],
    ['/xml-script', 'after'],
  ])('is read from %s', async (path, title) => {
    expect(await render(path)).toMatchObject({ type: 'page', page: { title } });
  });

  it.each(['/binary', '/pdf', '/empty', '/feed', '/svg', '/nosniff'])('is none at %s', async (path) => {
    expect((await render(path)).type).toBe('notHtml');
  });
});

describe('a redirect', () => {
  it.each([
    ['/moved', '/%DCnder?q=1#part'],
    ['/moved-in-utf8', '/%C3%9Cnder?q=1'],
  ])('%s is reported with its target in normal form, byte by byte, not followed', async (path, target) => {
    const result = await render(path);
    expect(result.type === 'redirect' && result.to.href).toBe(`${site.origin}${target}`);
    expect(result.facts.status).toBe(301);
  });

  it.each([
    ['/mail', 'InvalidUrl'],
    ['/nowhere', 'HttpError'],
  ])('that leads nowhere (%s) is a failure', async (path, cause) => {
    expect(await render(path)).toMatchObject({ type: 'failed', failure: { cause, retryable: false } });
  });
});

describe('a failure', () => {
  it.each([
    ['/error', { cause: 'HttpError', retryable: true, retryAfterMs: 7_000 }],
    ['/limit', { cause: 'RateLimited', retryable: true, retryAfterMs: 2_000 }],
    ['/gone', { cause: 'HttpError', retryable: false, message: 'the server answered 410' }],
    ['/strange', { cause: 'HttpError', retryable: false }],
    ['/reset', { cause: 'ConnectionError', retryable: true }],
    ['/cut', { cause: 'ConnectionError', retryable: true }],
    ['/garbled', { cause: 'ConnectionError', retryable: true }],
    ['/headers', { cause: 'TooLarge', retryable: false }],
    ['/endless', { cause: 'TooLarge', retryable: false, message: `the page is larger than ${MAX_PAGE_BYTES} bytes` }],
    ['/bomb', { cause: 'TooLarge', retryable: false }],
    ['/codings', { cause: 'HttpError', retryable: false }],
  ])('of %s has its cause', async (path, failure) => {
    expect(await render(path)).toMatchObject({ type: 'failed', failure });
  });

  it.each(['/slow', '/drip'])('of %s is a time-out', async (path) => {
    expect(await render(path, 200)).toMatchObject({ type: 'failed', failure: { cause: 'Timeout', retryable: true } });
  });

  it('of a host without an address is a DNS error, of a closed port a connection error', async () => {
    const resolve = async (hostname: string) => {
      if (hostname === 'none.example') throw Object.assign(new Error('not found'), { code: 'ENOTFOUND' });
      return [{ address: '127.0.0.1', family: 4 }];
    };
    const guard = guardAllowing('127.0.0.1:9', resolve);
    const other = createHttpClient({ guard, userAgent: 'Tester/1.0', connections: 1 });
    const causeOf = async (url: string) => {
      const result = await createHttpRenderer(other).render(new URL(url), plan, 5_000, never);
      return result.type === 'failed' ? result.failure.cause : result.type;
    };
    expect(await causeOf('http://none.example:9/')).toBe('DnsError');
    expect(await causeOf('http://closed.example:9/')).toBe('ConnectionError');
    await other.close();
  });

  it('does not take the caller by surprise: an abort rejects with its reason', async () => {
    const abort = new AbortController();
    const rendering = render('/slow', 20_000, abort.signal);
    abort.abort(new Error('enough'));
    await expect(rendering).rejects.toThrow('enough');
  });
});

it('uses a connection again', async () => {
  const ports = new Set<number | undefined>();
  await using other = await startSite({
    '/': (request, response) => {
      ports.add(request.socket.remotePort);
      html('<title>x</title>')(request, response);
    },
  });
  const guard = guardAllowing(`127.0.0.1:${other.port}`);
  const reusing = createHttpClient({ guard, userAgent: 'Tester/1.0', connections: 1 });
  for (let page = 0; page < 5; page++) await createHttpRenderer(reusing).render(other.url('/'), plan, 5_000, never);
  expect(ports.size).toBe(1);
  await reusing.close();
});

it('asks once more before it writes to the host, and writes at once on the same connection when it has a place', async () => {
  const seen: (number | undefined)[] = [];
  let connections = 0;
  await using other = await startSite({
    '/': (request, response) => {
      seen.push(request.socket.remotePort);
      html('<title>x</title>')(request, response);
    },
  });
  const resolve = async () => {
    connections += 1;
    return [{ address: '127.0.0.1', family: 4 }];
  };
  const url = new URL(`http://site.example:${other.port}/`);
  const maySend = [false, false, true];
  const waits: number[] = [];
  const late = createHttpClient({
    guard: guardAllowing(`127.0.0.1:${other.port}`, resolve),
    userAgent: 'Tester/1.0',
    connections: 1,
    lastLook: {
      maySend: (host) => host === url.host && maySend.shift() === true,
      untilNextPlace: async () => void waits.push(seen.length),
    },
  });
  expect(await createHttpRenderer(late).render(url, plan, 5_000, never)).toMatchObject({ type: 'page' });
  expect(waits).toEqual([0, 0]);
  expect(seen).toHaveLength(1);
  expect(connections).toBe(1);
  await late.close();
});
