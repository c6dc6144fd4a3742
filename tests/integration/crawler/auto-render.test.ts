// Render mode Auto: whole workers on sites of which some need JavaScript, and who asked for what.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type AccessLogEntry, createSite } from '../../../dev/site/server.ts';
import { type CrawlDatabase, startCrawlDatabase, type TestRun, type TestWorker } from './fixture.ts';
import { type Answer, html, startSite, type TestSite } from './site.ts';

let database: CrawlDatabase;
beforeAll(async () => {
  database = await startCrawlDatabase();
});
afterAll(() => database[Symbol.asyncDispose]());

/** Other suites may be at work on the same cores. */
const PATIENT = { timeout: 180_000 };
const PROSE = 'Nets, floats and ropes for every boat. '.repeat(40);

const served = (number: number, count: number) =>
  `<title>Page ${number}</title><h1>${number}</h1><p class=price>${number}.50</p><p>${PROSE}</p>
   <script src="/statistics.js"></script><a href="/p/${(number + 1) % count}">next</a>`;

/** What a script asks the server for and writes: each browser's visit is one request for /data. */
const shell = `<title>Shop</title><div id=root></div><noscript>You need to enable JavaScript.</noscript><script type=module>
  const data = await (await fetch('/data?' + location.pathname)).text();
  document.querySelector('#root').innerHTML = data;
  document.title = 'Page ' + document.querySelector('h1').textContent;
</script>`;

type Chain = TestSite & { readonly documents: () => number; readonly visits: () => number; isScripted: boolean };

/** A chain of pages, each linking to the next, written by the server or, while `isScripted`, by a script. */
async function startChain(count: number, isScripted: boolean): Promise<Chain> {
  const pages = Array.from({ length: count }, (_, number): [string, Answer] => [
    `/p/${number}`,
    (request, response) => html(chain.isScripted ? shell : served(number, count))(request, response),
  ]);
  const data: Answer = (request, response) =>
    void response.end(served(Number(/\d+$/.exec(request.url ?? '')?.[0]), count).replace(/<script.*script>/, ''));
  const site = await startSite({ ...Object.fromEntries(pages), '/data': data, '/robots.txt': html('', {}, 404) });
  const asked = (prefix: string) => site.requests.filter((path) => path.startsWith(prefix)).length;
  const chain = Object.assign(site, { isScripted, documents: () => asked('/p/'), visits: () => asked('/data') });
  return chain;
}

type Options = { readonly requestsPerSecond?: number };

async function crawl(
  sites: readonly TestSite[],
  { requestsPerSecond = 10_000 }: Options = {},
): Promise<[TestRun, TestWorker]> {
  const run = await database.accept({
    sources: sites.map((site, index) => ({
      name: `site-${index}`,
      urls: [site.url('/p/0').href],
      scope: { mode: 'Host' as const },
    })),
    politeness: { requestsPerSecond },
    fetch: { render: 'Auto' },
    concurrency: 4,
  });
  const allowed = sites.map((site) => `127.0.0.1:${site.port}`).join(',');
  const worker = run.startWorker({ TRAWLER_ALLOWED_ADDRESSES: allowed });
  expect(await worker.ended).toBe(0);
  return [run, worker];
}

const says = (worker: TestWorker, message: string) => worker.lines.filter((line) => line.msg === message);
const titles = (count: number) => Array.from({ length: count }, (_, number) => `Page ${number}`).sort();
const found = async (run: TestRun) => (await run.items()).map((item) => item.data['title']).sort();

it('starts no browser for pages that are there without', PATIENT, async () => {
  await using site = await startChain(30, false);
  const [run, worker] = await crawl([site]);
  await using _ = run;
  expect(await found(run)).toEqual(titles(30));
  expect(site.documents()).toBe(30);
  expect(site.requests).not.toContain('/statistics.js');
  expect(says(worker, 'browser started')).toEqual([]);
});

it('finds out which hosts need the browser, and later runs know it', PATIENT, async () => {
  await using scripted = await startChain(12, true);
  await using plain = await startChain(12, false);
  const [run, worker] = await crawl([scripted, plain]);
  await using _ = run;
  expect(await found(run)).toEqual([...titles(12), ...titles(12)].sort());
  expect([plain.documents(), plain.visits()]).toEqual([12, 0]);
  // The first three were asked for in both ways.
  expect([scripted.documents(), scripted.visits()]).toEqual([15, 12]);
  expect(says(worker, 'host needs the browser')).toMatchObject([{ host: `127.0.0.1:${scripted.port}` }]);

  const [later] = await crawl([scripted, plain]);
  await using __ = later;
  expect([scripted.documents(), scripted.visits()]).toEqual([15 + 12, 24]);
  expect([plain.documents(), plain.visits()]).toEqual([24, 0]);
});

it('notices when a host stops or begins to need it', PATIENT, async () => {
  await using site = await startChain(60, true);
  await using first = (await crawl([site]))[0];
  expect(await found(first)).toEqual(titles(60));
  site.isScripted = false;
  const [second, worker] = await crawl([site]);
  await using _ = second;
  expect(await found(second)).toEqual(titles(60));
  expect(says(worker, 'host no longer needs the browser')).toHaveLength(1);
  const before = site.documents();
  await using third = (await crawl([site]))[0];
  expect(await found(third)).toEqual(titles(60));
  expect(site.documents()).toBe(before + 60);
  site.isScripted = true;
  const [fourth, last] = await crawl([site]);
  await using __ = fourth;
  expect(await found(fourth)).toEqual(titles(60));
  expect(says(last, 'host needs the browser')).toHaveLength(1);
});

it("keeps the host's spacing between the two looks at a page", PATIENT, async () => {
  await using site = await startChain(3, true);
  const startedAt = performance.now();
  const [run] = await crawl([site], { requestsPerSecond: 5 });
  await using _ = run;
  expect(site.documents()).toBe(6);
  // robots.txt is a document, too.
  expect(performance.now() - startedAt).toBeGreaterThan(6 * 200);
});

it('reads the part of the demo shop that scripts write', PATIENT, async () => {
  const log: AccessLogEntry[] = [];
  await using site = await createSite({ onRequest: (entry) => log.push(entry) });
  await using run = await database.accept({
    sources: [{ name: 'shop', urls: [`${site.url}/js/`], scope: { mode: 'Prefix' } }],
    politeness: { requestsPerSecond: 1_000 },
    fetch: { render: 'Auto' },
  });
  expect(await run.startWorker({ TRAWLER_ALLOWED_ADDRESSES: `127.0.0.1:${site.port}` }).ended).toBe(0);
  const found = (await run.items()).map((item) => String(item.data['title']));
  expect(found).toContain('6 offers of the day');
  expect(found.filter((title) => title.startsWith('Offer: '))).toHaveLength(6);
  expect(log.filter((entry) => entry.path === '/api/offers.json')).toHaveLength(1);
});
