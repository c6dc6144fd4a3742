// Runs whose start URLs come from a ConfigMap: what is crawled, and what a list that is not there or not right costs.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { CrawlRunSpecInput } from '#src/resources/crawl-run.ts';
import { EXIT_CODE } from '#src/resources/worker-exit.ts';
import { type CrawlDatabase, startCrawlDatabase } from './fixture.ts';
import { html, startSite, type TestSite } from './site.ts';

const never = new AbortController().signal;
let database: CrawlDatabase;
let site: TestSite;
let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'trawler-url-lists-'));
  const pages = Array.from({ length: 1_500 }, (_, number) => [`/list/${number}`, html('<p>a page')] as const);
  site = await startSite({
    ...Object.fromEntries(pages),
    '/list/0': html('<p>x<a href=/list/linked>x</a><a href=/elsewhere>x</a>'),
    '/list/linked': (request, response) => html(`<p>${request.headers['x-shop']}`)(request, response),
  });
  database = await startCrawlDatabase();
});

afterAll(async () => {
  await database[Symbol.asyncDispose]();
  await site[Symbol.asyncDispose]();
  await rm(directory, { recursive: true });
});

const urlsFrom = { configMap: { name: 'shops', key: 'all.txt' } };
const spec = (name: string): CrawlRunSpecInput => ({
  sources: [{ name, urlsFrom }],
  fetch: { headers: [{ name: 'X-Shop', value: 'ours' }] },
  politeness: { requestsPerSecond: 10_000, robots: 'Ignore' },
  extract: { fields: [{ name: 'text', selector: 'p' }] },
  limits: { maxPages: 10_000 },
  concurrency: 16,
});
const environment = () => ({
  TRAWLER_ALLOWED_ADDRESSES: `127.0.0.1:${site.port}`,
  TRAWLER_URL_LISTS_DIR: directory,
});

it('begins at each URL of the list, by two workers, and reaches as far as start URLs do', async () => {
  const urls = Array.from({ length: 1_500 }, (_, number) => site.url(`/list/${number}`).href);
  await writeFile(path.join(directory, 'many'), ['# every shop', ...urls, ...urls].join('\n'));
  await using run = await database.accept(spec('many'));
  const workers = [run.startWorker(environment()), run.startWorker(environment())];
  expect(await Promise.all(workers.map((worker) => worker.ended))).toEqual([EXIT_CODE.finished, EXIT_CODE.finished]);
  const items = await run.items();
  expect(items).toHaveLength(1_501);
  // Under a folder of the list, by a link; and with the headers for hosts of start URLs.
  expect(items.map((item) => item.data['text'])).toContain('ours');
  expect(site.requests.filter((asked) => asked === '/list/7')).toHaveLength(1);
  expect(await run.snapshot()).toMatchObject({ outcome: 'Succeeded', progress: { total: 1_501, succeeded: 1_501 } });
});

it('fails the lines that are no URLs, by ConfigMap, key and line, and crawls the others', async () => {
  await writeFile(path.join(directory, 'typo'), `${site.url('/list/1').href}\nhtp://shop.example/\n`);
  await using run = await database.accept(spec('typo'));
  expect(await run.startWorker(environment()).ended).toBe(EXIT_CODE.finished);
  expect(await run.snapshot()).toMatchObject({ outcome: 'Partial', failureCauses: { InvalidUrl: 1 } });
  const bad = 'ConfigMap shops, key all.txt, line 2, is no absolute http or https URL: htp://shop.example/';
  expect(await database.store.deadLetters(run.runId, 10, never)).toMatchObject([{ cause: 'InvalidUrl', url: bad }]);
  expect((await run.snapshot()).sources[0]?.message).toContain('line 2, is no absolute http or https URL');
});

it('ends at once when there is no such list, and says which', async () => {
  await using run = await database.accept(spec('missing'));
  const worker = run.startWorker(environment());
  expect(await worker.ended).toBe(EXIT_CODE.badSpec);
  expect(worker.lines.at(-1)).toMatchObject({
    reason: 'BadSpec',
    error: expect.stringContaining('sources[missing].urlsFrom: ConfigMap shops, key all.txt: is not there'),
  });
});
