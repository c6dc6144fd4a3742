// A page that was read has its links followed, whatever becomes of its items, and items go on without those that are left out.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CrawlRunSpecInput } from '#src/resources/crawl-run.ts';
import { EXIT_CODE } from '#src/resources/worker-exit.ts';
import { type CrawlDatabase, startCrawlDatabase, type TestRun } from './fixture.ts';
import { html, startSite, type TestSite } from './site.ts';

const never = new AbortController().signal;
/** Other suites may be at work on the same cores. */
const PATIENT = { timeout: 180_000 };

const MODULE = `
export default ({ url, items }) => {
  switch (new URL(url).pathname) {
    case '/throws': throw new Error('no such net');
    case '/hangs': for (;;);
    case '/ends': process.exit(1);
    case '/too-many': return Array.from({ length: 1001 }, () => ({ title: 'x' }));
    case '/no-list': return 'nothing';
    default: return items;
  }
};`;
/** What becomes of each page: its cause. */
const FAILING = {
  throws: 'ExtractionError',
  hangs: 'Timeout',
  ends: 'ExtractionError',
  'too-many': 'ExtractionError',
  'no-list': 'ExtractionError',
} as const;

const card = (n: number) => `<div class=card><h2>Net ${n}</h2><b>${n}.50</b></div>`;
const CARDS = Array.from({ length: 29 }, (_, n) => card(n + 1)).join('');
const PRICES = '<script>for (const b of document.querySelectorAll("b")) b.textContent = "1.50"</script>';

let database: CrawlDatabase;
let site: TestSite;
let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'trawler-kept-links-'));
  await writeFile(path.join(directory, 'module.mjs'), MODULE);
  const failing = Object.keys(FAILING).flatMap((name) => [
    [`/${name}`, html(`<h1>${name}</h1><a href=/from-${name}>x</a>`)] as const,
    [`/from-${name}`, html(`<h1>from ${name}</h1>`)] as const,
  ]);
  site = await startSite({
    '/list': html(`${CARDS}<div class=card>Advertisement</div><a rel=next href=/list2>next</a>`),
    '/list2': html(`${card(30)}<div class=card><h2>No price</h2></div><a href=/adverts>x</a>`),
    '/adverts': html(`<div class=card>Advertisement</div><a href=/list3>x</a>`),
    '/list3': html(card(31)),
    '/scripted': html(`<div class=card><h2>Net 40</h2><b></b></div><a href=/list3>x</a>${PRICES}`),
    '/shell': html(`<script>document.write('<a href=/list3>x</a>')</script>`),
    '/': html(
      Object.keys(FAILING)
        .map((name) => `<a href=/${name}>x</a>`)
        .join(''),
    ),
    ...Object.fromEntries(failing),
  });
  database = await startCrawlDatabase();
});
afterAll(async () => {
  await database[Symbol.asyncDispose]();
  await site[Symbol.asyncDispose]();
  await rm(directory, { recursive: true });
});

const WHOLE_CARDS: CrawlRunSpecInput['extract'] = {
  itemSelector: '.card',
  fields: [
    { name: 'name', selector: 'h2' },
    { name: 'price', selector: 'b', type: 'Number', required: true },
  ],
};

async function crawled(
  start: string,
  extract: CrawlRunSpecInput['extract'],
  fetch: CrawlRunSpecInput['fetch'] = {},
): Promise<TestRun> {
  const run = await database.accept({
    sources: [{ name: 'site', urls: [site.url(start).href], scope: { mode: 'Host' } }],
    fetch: { pageTimeout: '2s', maxRetries: 0, ...fetch },
    politeness: { requestsPerSecond: 1_000, robots: 'Ignore' },
    heartbeat: { interval: '1s' },
    ...(extract === undefined ? {} : { extract }),
  });
  const environment = { TRAWLER_ALLOWED_ADDRESSES: `127.0.0.1:${site.port}`, TRAWLER_EXTRACTOR_DIR: directory };
  expect(await run.startWorker(environment).ended).toBe(EXIT_CODE.finished);
  return run;
}

const names = async (run: TestRun) => (await run.items()).map(({ data }) => data['name']).toSorted();
const causes = async (run: TestRun) =>
  (await database.store.deadLetters(run.runId, 100, never)).map(({ url, cause }) => [new URL(url).pathname, cause]);

describe.each(['HTTP', 'Browser'] as const)('a list with items that lack a required field, by %s', (render) => {
  it('gives the others, and its links', PATIENT, async () => {
    await using run = await crawled('/list', WHOLE_CARDS, { render, pageTimeout: '60s' });
    expect(await names(run)).toEqual(Array.from({ length: 31 }, (_, n) => `Net ${n + 1}`).toSorted());
    expect(await causes(run)).toEqual([['/adverts', 'MissingField']]);
    expect(await run.snapshot()).toMatchObject({
      progress: { total: 4, succeeded: 3, failed: 1, items: 31 },
      itemsLeftOut: { MissingField: 3 },
    });
  });
});

it.each(Object.entries(FAILING))('a module that %s costs no link', PATIENT, async (name, cause) => {
  const module = { configMap: { name: 'extractors', key: 'module.mjs' } };
  const fields = [{ name: 'name', selector: 'h1' }];
  await using run = await crawled(`/${name}`, { fields, module }, { maxRetries: 1 });
  expect(await causes(run)).toEqual([[`/${name}`, cause]]);
  expect(await names(run)).toEqual([`from ${name}`]);
});

it('what lacks a required field by HTTP is looked at in the browser', PATIENT, async () => {
  await using run = await crawled('/scripted', WHOLE_CARDS, { render: 'Auto', pageTimeout: '60s' });
  expect(await names(run)).toEqual(['Net 31', 'Net 40']);
  expect(await causes(run)).toEqual([]);
});

it('links that only a script makes are followed from a page without items, too', PATIENT, async () => {
  const fields = [{ name: 'name', selector: 'h2', required: true }];
  await using run = await crawled('/shell', { fields }, { render: 'Auto', pageTimeout: '60s' });
  expect(await names(run)).toEqual(['Net 31']);
  expect(await causes(run)).toEqual([['/shell', 'MissingField']]);
});

it('items beyond the most of one page are counted', PATIENT, async () => {
  await using run = await database.accept({
    sources: [
      { name: 'site', urls: [site.url('/list').href], scope: { mode: 'Page' }, limits: { maxItemsPerPage: 10 } },
    ],
    politeness: { requestsPerSecond: 1_000, robots: 'Ignore' },
    extract: WHOLE_CARDS,
  });
  expect(await run.startWorker({ TRAWLER_ALLOWED_ADDRESSES: `127.0.0.1:${site.port}` }).ended).toBe(EXIT_CODE.finished);
  expect(await run.snapshot()).toMatchObject({
    progress: { items: 10 },
    itemsLeftOut: { MissingField: 1, TooManyItems: 19 },
  });
});
