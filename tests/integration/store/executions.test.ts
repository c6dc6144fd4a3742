// What stays of runs when they have ended, on real PostgreSQL: frozen with the end, bounded, and kept for its own time.
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { history } from '../../../operator/history.ts';
import { type PostgresServer, startPostgres } from '../../support/postgres.ts';
import { claimSome, FAST, type Installation, install, never, type TestRun, urls } from './fixture.ts';

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres(15, { fsync: false });
});
afterAll(() => server.stop());

type End = 'done' | 'skipped' | 'dead';

/** Crawls a page for each end; done pages give the item of their place. */
async function crawl(
  run: TestRun,
  ends: readonly End[],
  item: (place: number) => object = (n) => ({ n }),
): Promise<void> {
  const worker = run.worker();
  const seeds = urls(ends.length);
  await worker.seed(seeds, never);
  for (let left = ends.length; left > 0; ) {
    const claims = await claimSome(worker, left);
    left -= claims.length;
    await worker.commit(
      claims.map((claim) => {
        const place = seeds.findIndex(({ url }) => url === claim.url);
        const facts = { status: 200, bytes: 1_000 };
        const end = ends[place];
        if (end === 'skipped') return { type: 'skipped' as const, claim, reason: 'NotHtml' as const, facts };
        if (end === 'dead')
          return { type: 'dead' as const, claim, cause: 'HttpError' as const, message: 'gone', facts };
        return { type: 'done' as const, claim, items: [{ ...item(place) }], links: [], facts };
      }),
      never,
    );
  }
  expect(await worker.finish(never)).toBe(true);
}

async function nameOf({ admin }: Installation, { runId }: TestRun): Promise<string> {
  const { rows } = await admin.query<{ name: string }>('select name from run where run_id = $1', [runId]);
  return rows[0]?.name ?? '';
}

it('the summary tells counts by how requests ended and why, bytes, sources and items, as they were at the end', async () => {
  await using installation = await install(server);
  const run = await installation.createRun(
    { ...FAST, scheduleName: 'shop' },
    { scheduleUid: randomUUID(), image: 'registry.test/crawler:7' },
  );
  await crawl(run, ['done', 'done', 'skipped', 'dead', 'done']);
  const found = await installation.operator.executions.find('default', await nameOf(installation, run), never);
  expect(found).toMatchObject({
    executionId: run.runId,
    type: 'Crawl',
    scheduleName: 'shop',
    trigger: 'Manual',
    image: 'registry.test/crawler:7',
    outcome: 'Partial',
    ...{ succeeded: 3, failed: 1, skipped: 1, open: 0, items: 3, bytes: 5_000 },
    failedBy: { HttpError: 1 },
    skippedBy: { NotHtml: 1 },
    sources: [{ name: 'site', result: 'Partial', succeeded: 3, failed: 1, skipped: 1, items: 3, bytes: 5_000 }],
  });
  expect(found?.firstItems.map(({ data }) => data)).toEqual(expect.arrayContaining([{ n: 0 }, { n: 1 }, { n: 4 }]));
  expect(found?.firstItems[0]).toMatchObject({ source: 'site', url: expect.stringMatching(/^http:\/\/site\.test\//) });
});

it('outlives the run and its items, and goes in its own time', async () => {
  await using installation = await install(server);
  const { operator, admin } = installation;
  const run = await installation.createRun({ ...FAST, scheduleName: 'shop' }, { runDay: '2026-01-01' });
  await crawl(run, ['done']);
  await admin.query(`update run set finished_at = '2026-01-01'; update execution set finished_at = '2026-01-01'`);
  expect(await operator.dropDaysBefore('2026-02-01', [], never)).toEqual(['2026-01-01']);
  expect((await admin.query('select from run')).rowCount).toBe(0);
  const query = { namespace: 'default', type: 'Crawl', scheduleName: 'shop', limit: 10 } as const;
  expect(await operator.executions.list(query, never)).toMatchObject([{ executionId: run.runId, items: 1 }]);
  expect(await operator.executions.list({ ...query, scheduleName: 'other' }, never)).toEqual([]);
  expect(await operator.executions.list({ ...query, namespace: 'other' }, never)).toEqual([]);
  expect(await operator.executions.forget('2026-01-01', never)).toBe(0);
  expect(await operator.executions.forget('2026-01-02', never)).toBe(1);
  expect(await operator.executions.list(query, never)).toEqual([]);
});

it('is written when the operator ends a run, with what was open, and once', async () => {
  await using installation = await install(server);
  const { operator } = installation;
  const run = await installation.createRun(FAST);
  const worker = run.worker();
  await worker.seed(urls(3), never);
  await operator.requestStop(run.runId, 'Shutdown', never);
  expect(await operator.finishStopped(run.runId, 'Stopped', 'stopped, as it was asked', never)).toBe(true);
  expect(await operator.finishStopped(run.runId, 'Failed', 'again', never)).toBe(false);
  expect(await operator.executions.list({ namespace: 'default', type: 'Crawl', limit: 10 }, never)).toMatchObject([
    { outcome: 'Stopped', reason: 'Shutdown', message: 'stopped, as it was asked', open: 3, succeeded: 0 },
  ]);
});

it('a run that PostgreSQL has never known has one too, and one that it knew keeps its own', async () => {
  await using installation = await install(server);
  const { executions } = installation.operator;
  const known = await installation.createRun(FAST);
  await crawl(known, ['done']);
  const at = new Date('2026-01-01T06:00:00Z');
  const facts = { namespace: 'default', name: 'refused', trigger: 'Manual', createdAt: at, finishedAt: at } as const;
  const end = { outcome: 'Failed', reason: 'SpecInvalid', message: 'x'.repeat(5_000) } as const;
  await executions.recordUnaccepted({ ...facts, ...end, runId: randomUUID() }, never);
  await executions.recordUnaccepted({ ...facts, ...end, runId: known.runId }, never);
  const rows = await executions.list({ namespace: 'default', type: 'Crawl', limit: 10 }, never);
  expect(rows.map(({ outcome, reason }) => [outcome, reason])).toEqual([
    ['Succeeded', undefined],
    ['Failed', 'SpecInvalid'],
  ]);
  expect(rows[1]?.message).toHaveLength(1_000);
});

it.each<[string, (place: number) => object, { items: number; withData: number }]>([
  ['120 small items: the first 100', (n) => ({ n }), { items: 100, withData: 100 }],
  ['items of 3 KB: as many as 32 KiB hold', (n) => ({ n, text: 'x'.repeat(3_000) }), { items: 10, withData: 10 }],
  ['items of 5 KB: without what is in them', (n) => ({ n, text: 'x'.repeat(5_000) }), { items: 100, withData: 0 }],
])('first items are bounded: %s', async (_, item, { items, withData }) => {
  await using installation = await install(server);
  const run = await installation.createRun(FAST);
  await crawl(run, Array<End>(120).fill('done'), item);
  const found = await installation.operator.executions.find('default', await nameOf(installation, run), never);
  expect(found?.firstItems).toHaveLength(items);
  expect(found?.firstItems.filter(({ data }) => data !== null)).toHaveLength(withData);
  expect(found?.items).toBe(120);
});

it('causes that a worker makes up do not fill it, nor do figures that are none', async () => {
  await using installation = await install(server);
  const { admin, operator } = installation;
  const run = await installation.createRun(FAST);
  const worker = run.worker();
  await worker.seed(urls(200), never);
  for (let left = 200; left > 0; ) {
    const claims = await claimSome(worker, left);
    await worker.commit(
      claims.map((claim, n) => ({
        ...{ type: 'dead', claim, cause: `Cause${left - n}` as 'HttpError', message: 'no' },
        facts: { bytes: n % 2 === 0 ? ('many' as unknown as number) : -5 },
      })),
      never,
    );
    left -= claims.length;
  }
  expect(await worker.finish(never)).toBe(true);
  const { rows } = await admin.query<{ causes: number; bytes: string }>(
    'select (select count(*)::int from jsonb_object_keys(failed_by)) as causes, bytes::text from execution',
  );
  expect(rows).toEqual([{ causes: 50, bytes: '0' }]);
  expect(await operator.executions.list({ namespace: 'default', type: 'Crawl', limit: 1 }, never)).toHaveLength(1);
});

it('the end of a run looks at counters and at some items, however many requests there are', async () => {
  await using installation = await install(server);
  const { admin } = installation;
  const run = await installation.createRun(FAST);
  const worker = run.worker();
  await worker.seed(urls(1), never);
  const [claim] = await claimSome(worker, 1);
  if (claim === undefined) throw new Error('nothing was claimed');
  await worker.commit([{ type: 'done', claim, items: [{ n: 0 }], links: [] }], never);
  await admin.query(
    `insert into request (run_id, url_key, lane_id, available_at, run_day, source_no, depth, priority, state, url)
     select run_id, md5(n::text)::uuid, lane_id, available_at, run_day, source_no, depth, priority, 'done', 'http://site.test/' || n
     from request cross join generate_series(1, 50000) n`,
  );
  await admin.query(
    `insert into item (run_id, url_key, run_day, source_no, data)
     select run_id, md5(n::text)::uuid, run_day, source_no, '{}' from item cross join generate_series(1, 50000) n`,
  );
  const client = await admin.connect();
  try {
    await client.query('select pg_stat_clear_snapshot()');
    const reads = async () => {
      await client.query('select pg_stat_force_next_flush()');
      const { rows } = await client.query<{ n: string }>(
        `select sum(seq_tup_read + idx_tup_fetch)::text as n from pg_stat_user_tables
         where relname ~ '^(request|item)_'`,
      );
      return Number(rows[0]?.n ?? 0);
    };
    const before = await reads();
    await client.query(`select end_run(run, null, null) from run where run_id = $1`, [run.runId]);
    expect((await reads()) - before).toBeLessThan(1_000);
  } finally {
    client.release();
  }
});

it('history is a table for people, and a JSON object a line for programs', async () => {
  await using installation = await install(server);
  const { executions } = installation.operator;
  const run = await installation.createRun({ ...FAST, scheduleName: 'shop' });
  await crawl(run, ['done', 'dead']);
  const options = { namespace: 'default', limit: 20 };
  const [head, row, ...rest] = await history(executions, 'shop', options, never);
  expect(head).toMatch(/^RUN +TRIGGER +RESULT +FINISHED/);
  expect(row?.split(/ {2,}/)).toEqual(expect.arrayContaining([await nameOf(installation, run), 'Manual', 'Partial']));
  expect(rest).toEqual([]);
  const lines = await history(executions, undefined, { ...options, json: true }, never);
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([{ outcome: 'Partial', items: 1, failed: 1 }]);
  await expect(history(executions, undefined, { ...options, run: 'nobody' }, never)).rejects.toThrow(
    'nothing is kept of a run "nobody" in namespace default',
  );
});

it('tells how the runs for times of a schedule ended, whoever made them, and only those', async () => {
  await using installation = await install(server);
  const { executions } = installation.operator;
  const [scheduleUid, other] = [randomUUID(), randomUUID()];
  const at = new Date('2026-01-09T00:00:00Z');
  const end = { namespace: 'default', createdAt: at, finishedAt: at };
  const slot = (day: number) => new Date(Date.UTC(2026, 0, day, 6));
  const runs = [
    { name: 'second', trigger: 'Schedule', outcome: 'Failed', scheduledTime: slot(2), scheduleUid },
    { name: 'second-retry', trigger: 'Retry', outcome: 'Succeeded', scheduledTime: slot(2), scheduleUid },
    { name: 'first', trigger: 'Backfill', outcome: 'Stopped', scheduledTime: slot(1), scheduleUid },
    { name: 'later', trigger: 'Schedule', outcome: 'Failed', scheduledTime: slot(3), scheduleUid },
    { name: 'by-hand', trigger: 'Manual', outcome: 'Failed', scheduleUid },
    { name: 'namesake', trigger: 'Schedule', outcome: 'Failed', scheduledTime: slot(1), scheduleUid: other },
  ] as const;
  for (const run of runs) await executions.recordUnaccepted({ ...end, ...run, runId: randomUUID() }, never);
  const query = { namespace: 'default', scheduleUid, from: slot(1), to: slot(2) };
  const found = await executions.ofSlots(query, never);
  expect(found.map(({ name, outcome }) => `${name} ${outcome}`).toSorted()).toEqual([
    ...['first Stopped', 'second Failed', 'second-retry Succeeded'],
  ]);
  expect(found[0]).toEqual({ name: 'first', outcome: 'Stopped', scheduledTime: slot(1) });
  expect(await executions.ofSlots({ ...query, namespace: 'other' }, never)).toEqual([]);
  expect((await executions.ofSlots({ ...query, from: slot(2) }, never)).map(({ name }) => name).toSorted()).toEqual([
    ...['second', 'second-retry'],
  ]);
});

it('compares the runs with an image with the others of the same time', async () => {
  await using installation = await install(server);
  const { admin, operator } = installation;
  const scheduleUid = randomUUID();
  const [now, next] = ['registry.test/crawler:now', 'registry.test/crawler:next'];
  const slot = (hour: number) => new Date(Date.UTC(2026, 0, 1, hour));
  const base = { namespace: 'default', scheduleUid, trigger: 'Schedule', createdAt: slot(0), finishedAt: slot(9) };
  const runs = [
    { name: 'a', image: next, outcome: 'Succeeded', hour: 5, items: 10, failed: 1 },
    { name: 'b', image: next, outcome: 'Failed', hour: 6, items: 0, failed: 5 },
    { name: 'c', image: next, outcome: 'Succeeded', hour: 7, items: 30, failed: 0 },
    { name: 'stopped', image: next, outcome: 'Stopped', hour: 7, items: 0, failed: 0 },
    { name: 'd', image: now, outcome: 'TimedOut', hour: 5, items: 20, failed: 0 },
    { name: 'no image', outcome: 'Succeeded', hour: 6, items: 40, failed: 0 },
    { name: 'before', image: now, outcome: 'Failed', hour: 3, items: 0, failed: 0 },
    { name: 'by hand', image: next, outcome: 'Failed', hour: 6, items: 0, failed: 0, trigger: 'Manual' },
  ] as const;
  for (const { hour, items, failed, ...run } of runs) {
    const runId = randomUUID();
    await operator.executions.recordUnaccepted({ ...base, ...run, runId, scheduledTime: slot(hour) }, never);
    await admin.query(
      `update execution set items = $2, failed = $3, succeeded = 10, started_at = finished_at - interval '1 minute'
       where execution_id = $1`,
      [runId, items, failed],
    );
  }
  const query = { namespace: 'default', scheduleUid, since: slot(5), image: next };
  expect(await operator.executions.compareImages(query, never)).toEqual({
    ofImage: { runs: 3, failedRuns: 1, pages: 36, failedPages: 6, seconds: 60, items: 10 },
    ofOthers: { runs: 2, failedRuns: 1, pages: 20, failedPages: 0, seconds: 60, items: 30 },
  });
  const nobody = { runs: 0, failedRuns: 0, pages: 0, failedPages: 0 };
  expect(await operator.executions.compareImages({ ...query, since: slot(8) }, never)).toEqual({
    ...{ ofImage: nobody, ofOthers: nobody },
  });
});

it.each<[string, object, boolean]>([
  ['as many items as asked have the field', { fields: [{ name: 'price', minPercent: 50 }] }, false],
  ['fewer have', { fields: [{ name: 'price', minPercent: 51 }] }, true],
  ['one of two fields', { fields: [{ name: 'n' }, { name: 'price', minPercent: 90 }] }, true],
  ['a field that no item has', { fields: [{ name: 'stock', minPercent: 1 }] }, true],
  ['nothing is asked of fields', { items: { min: 1 } }, false],
])(
  'items by their fields are counted, each once, and judged when the run ends: %s',
  async (_, expectation, isUnexpected) => {
    await using installation = await install(server);
    const { operator, admin } = installation;
    const run = await installation.createRun({ ...FAST, expect: expectation }, { scheduleUid: randomUUID() });
    // Null, an empty text and an empty list are no price; 0 and false are.
    const prices = [1, 0, false, { amount: 1 }, null, '', [], undefined];
    await crawl(run, Array<End>(prices.length).fill('done'), (n) => ({ n, price: prices[n] }));
    const counts = (await operator.snapshot(run.runId, never))?.fieldCounts;
    const asked = 'fields' in expectation ? (expectation.fields as { name: string }[]).map(({ name }) => name) : [];
    const had: Record<string, number> = { n: 8, price: 4 };
    expect(counts).toEqual(Object.fromEntries(asked.filter((name) => name in had).map((name) => [name, had[name]])));
    const { rows } = await admin.query('select event from notification order by event');
    expect(rows.map(({ event }) => event)).toEqual(isUnexpected ? ['Succeeded', 'Unexpected'] : ['Succeeded']);
  },
);
