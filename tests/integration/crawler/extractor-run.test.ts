// Runs with main text and a custom extractor: what reaches PostgreSQL, and what a module that misbehaves costs.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { CrawlRunSpecInput } from '#src/resources/crawl-run.ts';
import { EXIT_CODE } from '#src/resources/worker-exit.ts';
import { type CrawlDatabase, startCrawlDatabase } from './fixture.ts';
import { html, startSite, type TestSite } from './site.ts';

const never = new AbortController().signal;
const sentence = 'Nets are made for calm water, and floats keep them up, as everybody knows. ';

const MODULE = `
export default ({ url, document, items }) => {
  const path = new URL(url).pathname;
  if (path === '/throw') throw new Error('no such net');
  if (path === '/loop') for (;;);
  return { items: items.map((item) => ({ ...item, path })), links: path === '/' ? ['hidden', '/throw', '/loop'] : [] };
};`;

let database: CrawlDatabase;
let site: TestSite;
let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'trawler-extractor-'));
  await writeFile(path.join(directory, 'shop.mjs'), MODULE);
  const page = (title: string) =>
    html(`<title>${title}</title><article><h1>${title}</h1><p>${sentence.repeat(5)}</p></article>`);
  site = await startSite({
    '/': page('Home'),
    '/hidden': page('Hidden'),
    '/throw': page('Throw'),
    '/loop': page('Loop'),
  });
  database = await startCrawlDatabase();
});

afterAll(async () => {
  await database[Symbol.asyncDispose]();
  await site[Symbol.asyncDispose]();
  await rm(directory, { recursive: true });
});

function specFor(extract: CrawlRunSpecInput['extract']): CrawlRunSpecInput {
  return {
    sources: [{ name: 'site', urls: [site.url('/').href], scope: { mode: 'Host' } }],
    fetch: { pageTimeout: '2s', maxRetries: 0 },
    politeness: { requestsPerSecond: 1_000, robots: 'Ignore' },
    heartbeat: { interval: '1s' },
    ...(extract === undefined ? {} : { extract }),
  };
}

const environment = () => ({
  TRAWLER_ALLOWED_ADDRESSES: `127.0.0.1:${site.port}`,
  TRAWLER_EXTRACTOR_DIR: directory,
});

it('stores what the module makes, follows its links, and fails the pages where it fails', async () => {
  const module = { configMap: { name: 'extractors', key: 'shop.mjs' } };
  await using run = await database.accept(specFor({ fields: [{ name: 'title' }], module }));
  expect(await run.startWorker(environment()).ended).toBe(EXIT_CODE.finished);
  const items = await run.items();
  expect(items.map(({ data }) => data).toSorted((a, b) => (String(a['path']) < String(b['path']) ? -1 : 1))).toEqual([
    { title: 'Home', path: '/' },
    { title: 'Hidden', path: '/hidden' },
  ]);
  const dead = await database.store.deadLetters(run.runId, 10, never);
  expect(dead.map(({ url, cause }) => [new URL(url).pathname, cause]).toSorted()).toEqual([
    ['/loop', 'Timeout'],
    ['/throw', 'ExtractionError'],
  ]);
});

it('stores the main text of pages', async () => {
  await using run = await database.accept(specFor({ text: true }));
  expect(await run.startWorker(environment()).ended).toBe(EXIT_CODE.finished);
  expect((await run.items()).map(({ data }) => data)).toEqual([{ text: sentence.repeat(5).trim() }]);
});

it('ends at once when the module is missing', async () => {
  const module = { configMap: { name: 'extractors', key: 'nothing.mjs' } };
  await using run = await database.accept(specFor({ module }));
  const worker = run.startWorker(environment());
  expect(await worker.ended).toBe(EXIT_CODE.badSpec);
  expect(worker.lines.at(-1)).toMatchObject({ reason: 'BadSpec', error: expect.stringContaining('nothing.mjs') });
});
