// A worker in a control group of its own: what the kernel gives it decides how many pages it has open.
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createControlGroup } from '../../support/control-group.ts';
import { type CrawlDatabase, startCrawlDatabase, type TestWorker, until } from './fixture.ts';
import { type Answer, html, startSite } from './site.ts';

const group = createControlGroup(`trawler-test-${randomUUID()}`);
let database: CrawlDatabase;

beforeAll(async () => {
  database = await startCrawlDatabase();
});
afterAll(async () => {
  await database[Symbol.asyncDispose]();
  await group?.[Symbol.asyncDispose]();
});

/** A site without an end, that takes its time. */
const endless: Answer = (request, response) => {
  const number = Number(new URL(request.url ?? '', 'http://site').searchParams.get('n'));
  const links = Array.from({ length: 10 }, (_, index) => `<a href="/p?n=${number * 10 + index + 1}">more</a>`);
  const body = `<title>${number}</title>${links.join('')}${'<p>Some text of a page.</p>'.repeat(200)}`;
  setTimeout(() => html(body)(request, response), 50);
};

const numbersIn = (worker: TestWorker, message: string) =>
  worker.lines.filter((line) => line.msg === message).map((line) => Number(line['pages']));

/** With so little that it is throttled at its first number of pages. */
const MODES = [
  { render: 'HTTP', cpus: 0.25, concurrency: 256, first: 16 },
  { render: 'Browser', cpus: 0.5, concurrency: 16, first: 4 },
] as const;

// Needs a superuser of a machine whose control groups are not all taken.
it.skipIf(group === undefined).each(MODES)(
  'mode $render: opens fewer pages when its group is throttled, more when it gets processors, and says so in its heartbeat',
  { timeout: 240_000 },
  async ({ render, cpus, concurrency, first }) => {
    group?.limitCpu(cpus);
    await using site = await startSite({ '/p': endless });
    await using run = await database.accept({
      sources: [{ name: 'site', urls: [site.url('/p?n=0').href], scope: { mode: 'Host' } }],
      fetch: { render },
      politeness: { requestsPerSecond: 10_000, robots: 'Ignore' },
      limits: { maxPages: 1_000_000 },
      concurrency,
      heartbeat: { interval: '1s' },
    });
    const worker = run.startWorker({ TRAWLER_ALLOWED_ADDRESSES: `127.0.0.1:${site.port}` });
    group?.add(worker.process.pid ?? 0);

    await until('as many as these processors carry', () =>
      numbersIn(worker, 'this pod carries fewer pages').includes(first),
    );
    await until('fewer', () => numbersIn(worker, 'fewer pages at once').some((pages) => pages < first));
    await until('a heartbeat that says so', async () => {
      const { concurrency: open = first } = (await run.snapshot()).workers[0] ?? {};
      return open > 0 && open < first;
    });

    group?.limitCpu(4);
    await until('more', () => numbersIn(worker, 'more pages at once').length > 0);
    expect(new Set(site.requests).size, 'each page asked for once').toBe(site.requests.length);
  },
);
