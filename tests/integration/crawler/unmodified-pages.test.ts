// Runs of one schedule, one after another, on a site that answers conditional requests: what has not changed is not
// sent again, and yet every run has all of the site.
import { createHash, randomUUID } from 'node:crypto';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CrawlRunSpecInput } from '#src/resources/crawl-run.ts';
import { testPool } from '../../support/database-connections.ts';
import { type CrawlDatabase, startCrawlDatabase } from './fixture.ts';
import { type Answer, startSite, type TestSite } from './site.ts';

const never = new AbortController().signal;
let database: CrawlDatabase;
let admin: pg.Pool;

beforeAll(async () => {
  database = await startCrawlDatabase();
  admin = testPool(database.superuserUrl, { schema: 'trawler' });
});
afterAll(async () => {
  await admin.end();
  await database[Symbol.asyncDispose]();
});

type Validation = 'ETag' | 'Last-Modified' | 'none';

/** A site whose pages the test changes between runs; it counts what it answered. */
type ChangingSite = AsyncDisposable & {
  readonly site: TestSite;
  /** Path to body; what is not there is 404. */
  readonly pages: Map<string, string>;
  /** Paths that answer 500. */
  readonly failing: Set<string>;
  /** Statuses of pages since the last call. */
  statuses(): Record<number, number>;
};

async function startChangingSite(
  validation: Validation,
  pages: Record<string, string>,
  beforeAnswer: (path: string, isConditional: boolean) => Promise<void> = async () => {},
): Promise<ChangingSite> {
  const bodies = new Map(Object.entries(pages));
  const failing = new Set<string>();
  let counts: Record<number, number> = {};

  const answer: Answer = async (request, response) => {
    const path = request.url ?? '';
    const body = bodies.get(path);
    const tag = createHash('sha1')
      .update(body ?? '')
      .digest('hex');
    const known = request.headers['if-none-match'] ?? request.headers['if-modified-since'];
    await beforeAnswer(path, known !== undefined);
    // A version's date: long ago, and another one for another body.
    const modified = new Date(Number.parseInt(tag.slice(0, 7), 16) * 1_000).toUTCString();
    const validator = { ETag: `"${tag}"`, 'Last-Modified': modified, none: 'none' }[validation];
    const status = failing.has(path) ? 500 : body === undefined ? 404 : known === validator ? 304 : 200;
    counts[status] = (counts[status] ?? 0) + 1;
    response.writeHead(status, {
      'content-type': 'text/html',
      ...(validation === 'none' ? {} : { [validation]: validator }),
    });
    response.end(status === 200 ? body : undefined);
  };
  const paths = [...bodies.keys(), '/new'];
  const site = await startSite(Object.fromEntries(paths.map((path) => [path, answer])));
  return {
    site,
    pages: bodies,
    failing,
    statuses() {
      const seen = counts;
      counts = {};
      return seen;
    },
    [Symbol.asyncDispose]: () => site[Symbol.asyncDispose](),
  };
}

function page(title: string, ...links: string[]): string {
  return `<title>${title}</title><h1>${title}</h1>${links.map((link) => `<a href="${link}">${link}</a>`).join()}`;
}

const small = () => ({
  '/': page('Home', '/a', '/b'),
  '/a': page('A', '/c'),
  '/b': page('B'),
  '/c': page('C', '/d'),
  '/d': page('D'),
});

/** Crawls the site from its home page as a run of the schedule, and says what that gave. */
async function crawl(site: TestSite, scheduleUid: string | undefined, more: Partial<CrawlRunSpecInput> = {}) {
  await using run = await database.accept(
    {
      sources: [{ name: 'site', urls: [site.url('/').href], scope: { mode: 'Host' } }],
      politeness: { requestsPerSecond: 10_000 },
      fetch: { maxRetries: 0 },
      ...more,
    },
    scheduleUid === undefined ? {} : { scheduleUid },
  );
  expect(await run.startWorker({ TRAWLER_ALLOWED_ADDRESSES: `127.0.0.1:${site.port}` }).ended).toBe(0);
  return {
    items: (await run.items()).map((item) => item.data).sort((a, b) => (String(a['url']) < String(b['url']) ? -1 : 1)),
    titles: (await run.items()).map((item) => String(item.data['title'])).sort(),
    changes: await database.store.contentChange(run.runId, never),
    progress: (await run.snapshot()).progress,
  };
}

async function rememberedPages(scheduleUid?: string): Promise<number> {
  const text = 'select count(*)::int as n from page where schedule_uid = coalesce($1, schedule_uid)';
  const { rows } = await admin.query(text, [scheduleUid]);
  return rows[0].n;
}

describe.each(['ETag', 'Last-Modified'] as const)('pages with %s', (validation) => {
  it('are sent once, and are in the results of every run', async () => {
    await using changing = await startChangingSite(validation, small());
    const { site, statuses } = changing;
    const schedule = randomUUID();
    const first = await crawl(site, schedule);
    expect(statuses()).toEqual({ 200: 5 });
    expect(first).toMatchObject({ titles: ['A', 'B', 'C', 'D', 'Home'], changes: undefined });
    for (let run = 2; run <= 3; run++) {
      const next = await crawl(site, schedule);
      expect(statuses()).toEqual({ 304: 5 });
      expect(next.items).toEqual(first.items);
      expect(next.progress).toMatchObject({ succeeded: 5, items: 5, failed: 0 });
      expect(next.changes).toEqual({ added: 0, changed: 0, removed: 0, unchanged: 5 });
    }
  });
});

it('counts what is new, changed, gone and as it was', async () => {
  await using changing = await startChangingSite('ETag', small());
  const { site, pages, statuses } = changing;
  const schedule = randomUUID();
  await crawl(site, schedule);
  statuses();
  pages.set('/a', page('A', '/c', '/new'));
  pages.set('/new', page('New'));
  pages.delete('/b');
  pages.set('/c', page('C, without D'));
  const second = await crawl(site, schedule);
  expect(statuses()).toEqual({ 304: 1, 200: 3, 404: 1 });
  expect(second.titles).toEqual(['A', 'C, without D', 'Home', 'New']);
  // D was not looked for: nothing links to it any more.
  expect(second.changes).toEqual({ added: 1, changed: 2, removed: 2, unchanged: 1 });
  const third = await crawl(site, schedule);
  expect(third.changes).toEqual({ added: 0, changed: 0, removed: 0, unchanged: 4 });
  pages.set('/b', small()['/b']);
  expect((await crawl(site, schedule)).changes).toEqual({ added: 1, changed: 0, removed: 0, unchanged: 4 });
});

it('takes no page for gone that fails for now, nor what it may have led to', async () => {
  await using changing = await startChangingSite('ETag', small());
  const { site, failing } = changing;
  const schedule = randomUUID();
  await crawl(site, schedule);
  failing.add('/a');
  const second = await crawl(site, schedule);
  expect(second.titles).toEqual(['B', 'Home']);
  expect(second.changes).toEqual({ added: 0, changed: 0, removed: 0, unchanged: 2 });
  failing.clear();
  expect((await crawl(site, schedule)).changes).toEqual({ added: 0, changed: 0, removed: 0, unchanged: 5 });
});

it('reads everything anew when the extract section has changed', async () => {
  await using changing = await startChangingSite('ETag', small());
  const { site, statuses } = changing;
  const schedule = randomUUID();
  await crawl(site, schedule);
  statuses();
  const extract = { fields: [{ name: 'title', selector: 'title' }] };
  const second = await crawl(site, schedule, { extract });
  expect(statuses()).toEqual({ 200: 5 });
  expect(second.items).toContainEqual({ title: 'Home' });
  // Other fields say nothing about the site.
  expect(second.changes).toEqual({ added: 0, changed: 0, removed: 0, unchanged: 0 });
  const third = await crawl(site, schedule, { extract });
  expect(statuses()).toEqual({ 304: 5 });
  expect(third.titles).toEqual(second.titles);
  expect(third.changes).toEqual({ added: 0, changed: 0, removed: 0, unchanged: 5 });
});

it('asks again when what a page had given is dropped meanwhile', async () => {
  const schedule = randomUUID();
  await using changing = await startChangingSite('ETag', small(), async (_, isConditional) => {
    if (isConditional) await admin.query('delete from page where schedule_uid = $1', [schedule]);
  });
  const { site, statuses } = changing;
  const first = await crawl(site, schedule);
  statuses();
  const second = await crawl(site, schedule, { concurrency: 1 });
  expect(second.items).toEqual(first.items);
  expect(statuses()[304]).toBeGreaterThanOrEqual(1);
});

it('follows links nearer than before: the depth of a page is of the run, not of the page', async () => {
  await using changing = await startChangingSite('ETag', small());
  const { site, pages } = changing;
  const schedule = randomUUID();
  const limits = { maxDepth: 2 };
  expect((await crawl(site, schedule, { limits })).titles).toEqual(['A', 'B', 'C', 'Home']);
  pages.set('/', page('Home', '/c'));
  expect((await crawl(site, schedule, { limits })).titles).toEqual(['C', 'D', 'Home']);
});

it('keeps no page that is too large, and fetches it each time', async () => {
  const text = `<p>${'much text '.repeat(5_000)}</p>`.repeat(6);
  await using changing = await startChangingSite('ETag', { '/': page('Home') + text });
  const { site, statuses } = changing;
  const schedule = randomUUID();
  const extract = { fields: [{ name: 'text', selector: 'p', multiple: true }] };
  await crawl(site, schedule, { extract });
  const second = await crawl(site, schedule, { extract });
  expect(statuses()).toEqual({ 200: 2 });
  expect(second.changes).toEqual({ added: 0, changed: 0, removed: 0, unchanged: 1 });
});

it('forgets pages that three runs did not see', async () => {
  await using changing = await startChangingSite('none', small());
  const { site, pages } = changing;
  const schedule = randomUUID();
  await crawl(site, schedule);
  pages.set('/', page('Home'));
  for (const [run, remembered] of [5, 5, 1].entries()) {
    await using last = await database.accept(
      {
        sources: [{ name: 'site', urls: [site.url('/').href] }],
        politeness: { requestsPerSecond: 10_000 },
      },
      { scheduleUid: schedule },
    );
    await last.startWorker({ TRAWLER_ALLOWED_ADDRESSES: `127.0.0.1:${site.port}` }).ended;
    await database.store.forgetPages(last.runId, never);
    expect(await rememberedPages(schedule), `run ${run + 2}`).toBe(remembered);
  }
});

it('stores nothing of a run without a schedule, and asks unconditionally', async () => {
  await using changing = await startChangingSite('ETag', small());
  const { site, statuses } = changing;
  const before = await rememberedPages();
  await crawl(site, undefined);
  const second = await crawl(site, undefined);
  expect(statuses()).toEqual({ 200: 10 });
  expect(second.changes).toBeUndefined();
  expect(await rememberedPages()).toBe(before);
});
