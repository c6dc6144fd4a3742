// Headers that a user adds, as servers see them: on the hosts of the start URLs, and on no other.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { IncomingHttpHeaders } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type CrawlDatabase, startCrawlDatabase } from './fixture.ts';
import { type Answer, html, startSite, type TestSite } from './site.ts';

let database: CrawlDatabase;
let secret: string;

beforeAll(async () => {
  database = await startCrawlDatabase();
  secret = await mkdtemp(path.join(tmpdir(), 'trawler-headers-'));
  await writeFile(path.join(secret, 'Authorization'), 'Bearer abc');
  await writeFile(path.join(secret, 'Cookie'), 'login=s3cret; consent=given');
});
afterAll(async () => {
  await rm(secret, { recursive: true });
  await database[Symbol.asyncDispose]();
});

type Seen = Map<string, IncomingHttpHeaders>;

function recording(seen: Seen, answer: Answer): Answer {
  return (request, response) => {
    seen.set(request.url ?? '', request.headers);
    answer(request, response);
  };
}

/** Cookies know no ports (RFC 6265, 8.5), so that the other site has another name. */
const elsewhere = (other: TestSite, path: string) => `http://localhost:${other.port}${path}`;

async function crawl(render: 'HTTP' | 'Browser', start: TestSite, other: TestSite) {
  await using run = await database.accept({
    sources: [{ name: 'site', urls: [start.url('/').href], scope: { mode: 'Any' } }],
    politeness: { robots: 'Ignore', requestsPerSecond: 1_000 },
    fetch: {
      render,
      headers: [{ name: 'X-Key', value: 'plain' }],
      headersSecretRef: { name: 'shop-login' },
    },
  });
  const worker = run.startWorker({
    TRAWLER_ALLOWED_ADDRESSES: `127.0.0.1:${start.port},localhost:${other.port}`,
    TRAWLER_HEADERS_DIR: secret,
  });
  expect(await worker.ended).toBe(0);
  expect((await run.items()).map((item) => item.data['title']).sort()).toEqual(['Elsewhere', 'Home', 'Moved', 'Next']);
  expect(JSON.stringify(worker.lines)).not.toMatch(/Bearer|s3cret/);
}

it.each(['HTTP', 'Browser'] as const)('are on every page of the host and on none elsewhere, by %s', async (render) => {
  const seen: Seen = new Map();
  await using other = await startSite({
    '/linked': recording(seen, html('<title>Elsewhere</title>')),
    '/moved': recording(seen, html('<title>Moved</title>')),
  });
  await using start = await startSite({
    '/': recording(
      seen,
      html(`<title>Home</title><a href="/next">next</a><a href="/away">away</a>
        <a href="${elsewhere(other, '/linked')}">elsewhere</a><img src="${elsewhere(other, '/picture')}">`),
    ),
    '/next': recording(seen, html('<title>Next</title>')),
    '/away': recording(
      seen,
      (_, response) => void response.writeHead(302, { location: elsewhere(other, '/moved') }).end(),
    ),
  });
  await crawl(render, start, other);
  for (const path of ['/', '/next', '/away']) {
    expect(seen.get(path), path).toMatchObject({ 'x-key': 'plain', authorization: 'Bearer abc' });
    expect(seen.get(path)?.cookie?.split('; ').sort(), path).toEqual(['consent=given', 'login=s3cret']);
  }
  for (const path of ['/linked', '/moved']) {
    expect(seen.has(path), path).toBe(true);
    for (const name of ['x-key', 'authorization', 'cookie']) expect(seen.get(path), path).not.toHaveProperty(name);
  }
});

it('that are cookies are on what a page of the browser asks its own site for, until the site replaces them', async () => {
  const asked: [string, string | undefined][] = [];
  const noting =
    (answer: Answer): Answer =>
    (request, response) => {
      asked.push([request.url ?? '', request.headers.cookie]);
      answer(request, response);
    };
  await using site = await startSite({
    '/': noting(html('<title>Home</title><script>fetch("/data")</script><a href="/renewed">r</a>')),
    '/data': noting((_, response) => void response.end('{}')),
    '/renewed': noting(html('<title>Renewed</title><a href="/last">l</a>', { 'set-cookie': 'login=renewed' })),
    '/last': noting(html('<title>Last</title>')),
  });
  await using run = await database.accept({
    sources: [{ name: 'site', urls: [site.url('/').href], scope: { mode: 'Host' } }],
    politeness: { robots: 'Ignore', requestsPerSecond: 1_000 },
    fetch: { render: 'Browser', headersSecretRef: { name: 'shop-login' } },
    // Every page has another tab.
    browser: { recycleAfterPages: 1 },
  });
  const worker = run.startWorker({
    TRAWLER_ALLOWED_ADDRESSES: `127.0.0.1:${site.port}`,
    TRAWLER_HEADERS_DIR: secret,
  });
  expect(await worker.ended).toBe(0);
  expect(asked.map(([url, cookie]) => [url, cookie?.split('; ').sort()])).toEqual([
    ['/', ['consent=given', 'login=s3cret']],
    ['/data', ['consent=given', 'login=s3cret']],
    ['/renewed', ['consent=given', 'login=s3cret']],
    ['/last', ['consent=given', 'login=renewed']],
  ]);
});

it('of a Secret that holds none stop the worker with the reason', async () => {
  await using site = await startSite({});
  await using run = await database.accept({
    sources: [{ name: 'site', urls: [site.url('/').href] }],
    fetch: { headersSecretRef: { name: 'gone' } },
  });
  const worker = run.startWorker({ TRAWLER_HEADERS_DIR: path.join(secret, 'none') });
  expect(await worker.ended).toBe(64);
  expect(worker.lines.at(-1)).toMatchObject({ level: 'fatal', reason: 'BadConfiguration' });
});
