// Runs of one schedule compared page by page and item by item, on real PostgreSQL.
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compareRuns } from '#src/controllers/comparisons.ts';
import { OPERATIONAL } from '#src/crawler/page/page-memory.ts';
import type { Outcome } from '#src/gateway/protocol/worker-store.ts';
import type { Change } from '#src/store/comparison-store.ts';
import { functionTexts } from '#src/store/sql/texts.ts';
import { createLogger } from '#src/telemetry/logger.ts';
import { changes as exported } from '../../../operator/changes.ts';
import { type PostgresServer, startPostgres } from '../../support/postgres.ts';
import { claimSome, FAST, type Installation, install, never, urls } from './fixture.ts';

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres(18, { fsync: false });
});
afterAll(() => server.stop());

type Item = Readonly<Record<string, unknown>>;
/** What a page gives: items, the status of a dead letter, or the reason of a skip. */
type Page = readonly Item[] | number | 'NotHtml' | 'Redirected' | 'RobotsDisallowed' | 'MaxPages';
type Site = Readonly<Record<number, Page>>;
type Options = Parameters<Installation['createRun']>[0];

const logger = createLogger('test', 'fatal');
const SEEDS = urls(400);
const placeOf = (url: string) => SEEDS.findIndex((seed) => seed.url === url);

/** A finished run of the schedule that found the site like this; compared with the one before. */
async function crawl(installation: Installation, scheduleUid: string, site: Site, options: Options = {}) {
  const run = await installation.createRun({ ...FAST, ...options }, { scheduleUid });
  const worker = run.worker();
  const places = Object.keys(site).map(Number);
  await worker.seed(
    SEEDS.filter((_, place) => places.includes(place)),
    never,
  );
  for (let left = places.length; left > 0; ) {
    const claims = await claimSome(worker, left);
    left -= claims.length;
    const outcomes = claims.map((claim): Outcome => {
      const page = site[placeOf(claim.url)];
      if (typeof page === 'number') {
        return { type: 'dead', claim, cause: 'HttpError', message: `status ${page}`, facts: { status: page } };
      }
      if (typeof page === 'string') return { type: 'skipped', claim, reason: page };
      return { type: 'done', claim, items: [...(page ?? [])], links: [], facts: { status: 200 } };
    });
    await worker.commit(outcomes, never);
  }
  expect(await worker.finish(never)).toBe(true);
  await compareRuns({ store: installation.operator, logger }, never);
  return run;
}

/** `New Url 3`, `Changed Item 1 price: 1 -> 2` … in a stable order. */
async function changesOf({ operator }: Installation, { runId }: { runId: string }): Promise<string[]> {
  const rows = await operator.comparisons.changes(runId, { limit: 10_000 }, never);
  return rows.map(shown).sort();
}

function shown({ kind, change, url, item, fields }: Change): string {
  const differences = Object.entries(fields ?? {}).map(
    ([name, { before, after }]) => `${name}: ${JSON.stringify(before)} -> ${JSON.stringify(after)}`,
  );
  return [change, kind, placeOf(url), ...(item === undefined ? [] : [item]), ...differences].join(' ');
}

async function gathered(lines: AsyncIterable<string>): Promise<string[]> {
  const all: string[] = [];
  for await (const line of lines) all.push(line);
  return all;
}

const product = (sku: string, price: number, more: object = {}): Item => ({ sku, price, ...more });

describe.each<[string, { before: Site; now: Site; rows: string[]; counts: object }]>([
  [
    'pages that are new, changed, unchanged and gone',
    {
      before: { 0: [product('a', 1)], 1: [product('b', 2)], 2: [product('c', 3)] },
      now: { 0: [product('a', 1)], 1: [product('b', 5)], 3: [product('d', 4)] },
      rows: [
        'Changed Item 1 sku=b price: 2 -> 5',
        'Changed Url 1',
        'Gone Item 2 sku=c',
        'Gone Url 2',
        'New Item 3 sku=d',
        'New Url 3',
      ],
      counts: {
        urls: { new: 1, changed: 1, unchanged: 1, gone: 1, unseen: 0 },
        items: { new: 1, changed: 1, unchanged: 1, gone: 1 },
      },
    },
  ],
  [
    'items of one page in another order, one new, one gone, one with another field',
    {
      before: { 0: [product('a', 1), product('b', 2), product('c', 3)] },
      now: { 0: [product('c', 3), product('d', 9), product('a', 1, { stock: 4 })] },
      rows: ['Changed Item 0 sku=a stock: undefined -> 4', 'Changed Url 0', 'Gone Item 0 sku=b', 'New Item 0 sku=d'],
      counts: {
        urls: { new: 0, changed: 1, unchanged: 0, gone: 0, unseen: 0 },
        items: { new: 1, changed: 1, unchanged: 1, gone: 1 },
      },
    },
  ],
  [
    'items that go on to the next page of a list are the same ones',
    {
      before: { 0: [product('a', 1), product('b', 2)], 1: [product('c', 3), product('d', 4)] },
      now: { 0: [product('z', 0), product('a', 1)], 1: [product('b', 7), product('c', 3)], 2: [product('d', 4)] },
      rows: ['Changed Item 1 sku=b price: 2 -> 7', 'Changed Url 0', 'Changed Url 1', 'New Item 0 sku=z', 'New Url 2'],
      counts: {
        urls: { new: 1, changed: 2, unchanged: 0, gone: 0, unseen: 0 },
        items: { new: 1, changed: 1, unchanged: 3, gone: 0 },
      },
    },
  ],
  [
    'an item without identity is the same one when it is alone on its page',
    {
      before: { 0: [{ text: 'old' }], 1: [{ text: 'one' }, { text: 'two' }], 2: [{ title: 'A' }] },
      now: { 0: [{ text: 'new' }], 1: [{ text: 'two' }, { text: 'three' }], 2: [{ title: 'B' }] },
      rows: [
        'Changed Item 2 title=B title: "A" -> "B"',
        'Changed Url 2',
        'Changed Item 0 text: "old" -> "new"',
        'Changed Item 1 text: "one" -> "three"',
        'Changed Url 0',
        'Changed Url 1',
      ],
      counts: {
        urls: { new: 0, changed: 3, unchanged: 0, gone: 0, unseen: 0 },
        items: { new: 0, changed: 3, unchanged: 1, gone: 0 },
      },
    },
  ],
  [
    'an item with another number is another one, alone on its page or not',
    {
      before: { 0: [product('a', 1)], 1: [{ title: 'A' }, { title: 'B' }] },
      now: { 0: [product('b', 1)], 1: [{ title: 'A' }, { title: 'C' }] },
      rows: [
        ...['Changed Url 0', 'Changed Url 1', 'Gone Item 0 sku=a', 'Gone Item 1 title=B', 'New Item 0 sku=b'],
        'New Item 1 title=C',
      ],
      counts: {
        urls: { new: 0, changed: 2, unchanged: 0, gone: 0, unseen: 0 },
        items: { new: 2, changed: 0, unchanged: 1, gone: 2 },
      },
    },
  ],
  [
    'equal items count as often as they are there',
    {
      before: { 0: [product('a', 1), product('a', 1), product('a', 1)] },
      now: { 0: [product('a', 1)] },
      rows: ['Changed Url 0', 'Gone Item 0 sku=a', 'Gone Item 0 sku=a'],
      counts: {
        urls: { new: 0, changed: 1, unchanged: 0, gone: 0, unseen: 0 },
        items: { new: 0, changed: 0, unchanged: 1, gone: 2 },
      },
    },
  ],
  [
    'pages that answer 404, lead elsewhere or are no pages now are gone; one refused by robots.txt is neither',
    {
      before: { 0: [product('a', 1)], 1: [product('b', 2)], 2: [product('c', 3)], 3: [product('d', 4)] },
      now: { 0: 404, 1: 'Redirected', 2: 'NotHtml', 3: 'RobotsDisallowed', 4: [product('e', 5)] },
      rows: [
        ...['Gone Item 0 sku=a', 'Gone Item 1 sku=b', 'Gone Item 2 sku=c', 'Gone Url 0', 'Gone Url 1', 'Gone Url 2'],
        ...['New Item 4 sku=e', 'New Url 4'],
      ],
      counts: {
        urls: { new: 1, changed: 0, unchanged: 0, gone: 3, unseen: 0 },
        items: { new: 1, changed: 0, unchanged: 0, gone: 3 },
      },
    },
  ],
  [
    'while a page cannot be read, pages behind it are not gone, and it is neither',
    {
      before: { 0: [product('a', 1)], 1: [product('b', 2)], 2: 500 },
      now: { 0: 500, 2: [product('c', 3)], 3: [product('d', 4)] },
      rows: ['New Item 3 sku=d', 'New Url 3', 'Unseen Url 1'],
      counts: {
        urls: { new: 1, changed: 0, unchanged: 0, gone: 0, unseen: 1 },
        items: { new: 1, changed: 0, unchanged: 0, gone: 0 },
      },
    },
  ],
  [
    'what a limit cut off is not gone, and is not new later',
    {
      before: { 0: [product('a', 1)], 1: 'MaxPages', 2: [product('c', 3)] },
      now: { 0: [product('a', 1)], 1: [product('b', 2)], 3: 'MaxPages' },
      rows: ['Unseen Url 2'],
      counts: {
        urls: { new: 0, changed: 0, unchanged: 1, gone: 0, unseen: 1 },
        items: { new: 0, changed: 0, unchanged: 1, gone: 0 },
      },
    },
  ],
])('%s', (_, { before, now, rows, counts }) => {
  it('as rows and as counts', async () => {
    await using installation = await install(server);
    const schedule = randomUUID();
    await crawl(installation, schedule, before);
    await crawl(installation, randomUUID(), { 0: [product('of another schedule', 1)] });
    const run = await crawl(installation, schedule, now);
    expect(await changesOf(installation, run)).toEqual(rows.sort());
    expect(await installation.operator.comparisons.counts(run.runId, never)).toMatchObject(counts);
  });
});

it('more pages than a step holds are compared as they would be in one', async () => {
  await using installation = await install(server);
  const schedule = randomUUID();
  const site = (price: (place: number) => number): Site =>
    Object.fromEntries(SEEDS.map((_, place) => [place, [product(`sku-${place}`, price(place))]]));
  await crawl(
    installation,
    schedule,
    site((place) => place),
  );
  const run = await crawl(
    installation,
    schedule,
    site((place) => (place % 100 === 0 ? -1 : place)),
  );
  expect(await changesOf(installation, run)).toEqual(
    [0, 100, 200, 300]
      .flatMap((place) => [`Changed Item ${place} sku=sku-${place} price: ${place} -> -1`, `Changed Url ${place}`])
      .sort(),
  );
  expect(await installation.operator.comparisons.counts(run.runId, never)).toMatchObject({
    urls: { changed: 4, unchanged: 396 },
    items: { changed: 4, unchanged: 396 },
  });
  const unchanged = await installation.operator.comparisons.unchangedUrls(run.runId, { limit: 1_000 }, never);
  expect(unchanged).toHaveLength(396);
});

it('the first run, a retry, one that failed and one without a schedule are compared with nothing', async () => {
  await using installation = await install(server);
  const { operator } = installation;
  const schedule = randomUUID();
  const first = await crawl(installation, schedule, { 0: [product('a', 1)] });
  const failed = await crawl(installation, schedule, { 0: 500 });
  const trigger = { type: 'Retry', retryOf: 'shop' } as const;
  const retry = await crawl(installation, schedule, { 0: [product('a', 2)] }, { trigger });
  for (const { runId } of [first, failed, retry]) {
    expect(await operator.comparisons.counts(runId, never)).toBeUndefined();
    expect(await operator.comparisons.changes(runId, { limit: 10 }, never)).toEqual([]);
  }
  // None of the two is what the next one is compared with.
  const next = await crawl(installation, schedule, { 0: [product('a', 3)] });
  expect(await changesOf(installation, next)).toEqual(['Changed Item 0 sku=a price: 1 -> 3', 'Changed Url 0']);
});

it('a run is compared with none of a backfill, and one of a backfill with the run of the schedule before it', async () => {
  await using installation = await install(server);
  const schedule = randomUUID();
  await crawl(installation, schedule, { 0: [product('a', 1)] });
  const trigger = { type: 'Backfill', scheduledTime: '2025-12-01T00:00:00Z' } as const;
  const filled = await crawl(installation, schedule, { 0: [product('a', 2)] }, { trigger });
  expect(await changesOf(installation, filled)).toEqual(['Changed Item 0 sku=a price: 1 -> 2', 'Changed Url 0']);
  const next = await crawl(installation, schedule, { 0: [product('a', 3)] });
  expect(await changesOf(installation, next)).toEqual(['Changed Item 0 sku=a price: 1 -> 3', 'Changed Url 0']);
});

it('a run by hand of some sources has not seen the others, and the next one is not compared with it', async () => {
  await using installation = await install(server);
  const schedule = randomUUID();
  const blog = (active: boolean) => [
    { name: 'site', urls: ['http://site.test/'] },
    { name: 'blog', urls: ['http://blog.test/'], active },
  ];
  const all = { 0: [product('a', 1)], 1: [product('b', 1)] };
  await crawl(installation, schedule, all, { sources: blog(true) });
  const part = await crawl(installation, schedule, { 0: [product('a', 2)] }, { sources: blog(false) });
  expect(await changesOf(installation, part)).toEqual([
    'Changed Item 0 sku=a price: 1 -> 2',
    'Changed Url 0',
    'Unseen Url 1',
  ]);
  const whole = await crawl(installation, schedule, all, { sources: blog(true) });
  expect(await changesOf(installation, whole)).toEqual([]);
});

it('says whether something else is taken out of pages now', async () => {
  await using installation = await install(server);
  const schedule = randomUUID();
  await crawl(installation, schedule, { 0: [product('a', 1)] }, { workers: 1 });
  const same = await crawl(installation, schedule, { 0: [product('a', 1)] }, { workers: 2 });
  const other = await crawl(installation, schedule, { 0: [product('a', 1)] }, { fetch: { render: 'Browser' } });
  const specChanged = async ({ runId }: { runId: string }) =>
    (await installation.operator.comparisons.counts(runId, never))?.specChanged;
  expect([await specChanged(same), await specChanged(other)]).toEqual([false, true]);
});

it('takes the same fields for operational as what a crawl remembers of pages', () => {
  const [list = ''] =
    /operational constant text\[\] := array\[([^\]]*)\]/.exec(functionTexts['begin_comparison'] ?? '')?.slice(1) ?? [];
  expect([...list.matchAll(/'(\w+)'/g)].map(([, name]) => name)).toEqual(
    OPERATIONAL.filter((name) => name !== 'sources'),
  );
});

it('stands in the summary of the run, and in its notification, which waits for it', async () => {
  await using installation = await install(server);
  const { operator, admin } = installation;
  const schedule = randomUUID();
  await crawl(installation, schedule, { 0: [product('a', 1)] });
  await operator.notifications.unrouted(10, never);
  const run = await installation.createRun(FAST, { scheduleUid: schedule });
  const worker = run.worker();
  await worker.seed(urls(1), never);
  const [claim] = await claimSome(worker, 1);
  if (claim === undefined) throw new Error('nothing was claimed');
  await worker.commit([{ type: 'done', claim, items: [product('a', 2)], links: [] }], never);
  await worker.finish(never);
  const waiting = async () => {
    const found = await operator.notifications.unrouted(10, never);
    return found.filter(({ payload }) => payload['runId'] === run.runId);
  };
  expect(await waiting()).toEqual([]);
  await compareRuns({ store: operator, logger }, never);
  const compared = { urls: { changed: 1 }, items: { changed: 1, new: 0 }, specChanged: false };
  expect(await waiting()).toMatchObject([{ event: 'Succeeded', payload: { compared } }]);
  const { rows } = await admin.query('select compared from execution where execution_id = $1', [run.runId]);
  expect(rows).toMatchObject([{ compared }]);
  // One that cannot be compared is sent all the same.
  await admin.query(
    `update comparison set finished_at = null; update notification set occurred_at = now() - interval '11 min'`,
  );
  expect(await waiting()).toHaveLength(1);
});

it('leaves out what lies between the items of a page and is of other pages', async () => {
  await using installation = await install(server);
  const { admin } = installation;
  const schedule = randomUUID();
  const site = { 0: [product('a', 1), product('b', 1)], 1: [product('c', 1)], 2: [], 3: [product('d', 1)] };
  const first = await crawl(installation, schedule, site);
  // As if others had committed between every two items.
  await admin.query(
    `update request r set first_item = all_items.first, last_item = all_items.last
     from (select min(item_id) as first, max(item_id) as last from item where run_id = $1) all_items where r.run_id = $1`,
    [first.runId],
  );
  const next = await crawl(installation, schedule, { ...site, 1: [product('c', 2)], 2: [product('e', 1)] });
  expect(await changesOf(installation, next)).toEqual([
    'Changed Item 1 sku=c price: 1 -> 2',
    'Changed Url 1',
    'Changed Url 2',
    'New Item 2 sku=e',
  ]);
});

it('a run of an earlier release, whose requests do not say what their items are, is compared with nothing', async () => {
  await using installation = await install(server);
  const { operator, admin } = installation;
  const schedule = randomUUID();
  const first = await crawl(installation, schedule, { 0: [product('a', 1)] });
  await admin.query('update run set has_item_ranges = false where run_id = $1', [first.runId]);
  const next = await crawl(installation, schedule, { 0: [product('a', 2)] });
  expect(await operator.comparisons.counts(next.runId, never)).toBeUndefined();
  expect(await changesOf(installation, next)).toEqual([]);
});

it('goes with the results of its run', async () => {
  await using installation = await install(server);
  const { operator, admin } = installation;
  const schedule = randomUUID();
  await crawl(installation, schedule, { 0: [product('a', 1)] });
  const run = await crawl(installation, schedule, { 0: [product('a', 2)] });
  expect(await operator.comparisons.changes(run.runId, { limit: 10 }, never)).toHaveLength(2);
  await operator.dropDaysBefore('2027-01-01', [], never);
  expect((await admin.query(`select from pg_class where relname ~ '^change_[0-9]'`)).rowCount).toBe(0);
  expect(await operator.comparisons.changes(run.runId, { limit: 10 }, never)).toEqual([]);
});

it('a step that fails is tried with fewer pages, and given up after some; the next run is compared all the same', async () => {
  await using installation = await install(server);
  const { operator, admin } = installation;
  const schedule = randomUUID();
  await crawl(installation, schedule, { 0: [product('a', 1)] });
  await admin.query(`alter table change add constraint none check (change <> 'Changed')`);
  const run = await crawl(installation, schedule, { 0: [product('a', 2)] });
  const tries = async () => {
    await admin.query('update comparison set next_at = now()');
    await compareRuns({ store: operator, logger }, never);
    const { rows } = await admin.query<{ tries: number; finished: boolean; error: string }>(
      'select tries, finished_at is not null as finished, error from comparison where run_id = $1',
      [run.runId],
    );
    return rows[0];
  };
  expect(await tries()).toMatchObject({ tries: 2, finished: false });
  await tries();
  expect(await tries()).toMatchObject({ tries: 4, finished: true, error: expect.stringContaining('none') });
  expect(await operator.comparisons.counts(run.runId, never)).toBeUndefined();
  await admin.query('alter table change drop constraint none');
  const next = await crawl(installation, schedule, { 0: [product('a', 3)] });
  expect(await changesOf(installation, next)).toEqual(['Changed Item 0 sku=a price: 2 -> 3', 'Changed Url 0']);
});

it('is exported as JSON Lines or CSV', async () => {
  await using installation = await install(server);
  const { admin, operator } = installation;
  const schedule = randomUUID();
  await crawl(installation, schedule, { 0: [product('a', 1)], 1: [product('b, "c"', 1)] });
  const run = await crawl(installation, schedule, { 0: [product('a', 1)], 1: [product('b, "c"', 2)] });
  const { rows } = await admin.query<{ name: string }>('select name from run where run_id = $1', [run.runId]);
  const name = rows[0]?.name ?? '';
  const lines = (options: object) =>
    gathered(exported(operator.comparisons, name, { namespace: 'default', output: 'jsonl', ...options }, never));
  expect((await lines({ kind: 'Item' })).map((line) => JSON.parse(line))).toEqual([
    {
      ...{ kind: 'Item', change: 'Changed', source: 'site', url: SEEDS[1]?.url, item: 'sku=b, "c"' },
      fields: { price: { before: 1, after: 2 } },
    },
  ]);
  expect(await lines({ output: 'csv', kind: 'Item' })).toEqual([
    'kind,change,source,url,item,fields',
    `Item,Changed,site,${SEEDS[1]?.url},"sku=b, ""c""","{""price"":{""after"":2,""before"":1}}"`,
  ]);
  expect((await lines({ change: 'Unchanged' })).map((line) => JSON.parse(line).url)).toEqual([SEEDS[0]?.url]);
  await expect(lines({ kind: 'Item', change: 'Unchanged' })).rejects.toThrow('counted');
});
