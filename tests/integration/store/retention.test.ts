// What is dropped in its time, bit by bit, and what stays.
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createOperatorStore } from '#src/store/postgres-operator-store.ts';
import { createLogger } from '#src/telemetry/logger.ts';
import { testClient } from '../../support/database-connections.ts';
import { type PostgresServer, startPostgres } from '../../support/postgres.ts';
import {
  claimSome,
  done,
  FAST,
  type Installation,
  install,
  never,
  SCHEMA,
  type TestRun,
  urls,
  workUntilFinished,
} from './fixture.ts';

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres(15, { fsync: false });
});
afterAll(() => server.stop());

async function count(installation: Installation, what: string): Promise<number> {
  const { rows } = await installation.admin.query<{ n: number }>(`select count(*)::int as n from ${what}`);
  return rows[0]?.n ?? -1;
}

async function crawl(run: TestRun, options: Parameters<typeof urls>[1] = {}): Promise<void> {
  const worker = run.worker();
  await worker.seed(urls(5, options), never);
  await workUntilFinished(worker);
}

it('lanes of a run that is over go after a day, though its day is kept for another run', async () => {
  await using installation = await install(server);
  const { admin, operator } = installation;
  const over = await installation.createRun(FAST, { runDay: '2026-01-01' });
  const live = await installation.createRun(FAST, { runDay: '2026-01-01' });
  const worker = over.worker();
  await worker.seed(urls(5, { hosts: 5 }), never);
  await workUntilFinished(worker, 5, (claim) =>
    claim.host === 'host4.test' ? { type: 'dead', claim, cause: 'Timeout', message: 'no answer' } : done(claim),
  );
  await live.worker().seed(urls(3, { hosts: 3 }), never);
  await operator.dropDaysBefore('2026-02-01', [], never);
  const lanes = async () => [await count(installation, 'lane'), await count(installation, 'lane_key')];
  expect(await lanes()).toEqual([8, 8]);
  await admin.query(`update run set finished_at = finished_at - interval '25 hours' where finished_at is not null`);
  await operator.dropDaysBefore('2026-02-01', [], never);
  expect(await lanes()).toEqual([3, 3]);
  expect(await operator.firstItems(over.runId, 10, never)).toHaveLength(4);
  const retry = await installation.createRun(FAST, { deadLettersOf: over.runId });
  const { claims } = await workUntilFinished(retry.worker());
  expect(claims.map(({ host }) => host)).toEqual(['host4.test']);
});

it('hosts that nobody asks any more go with what was learnt of them; those of live runs stay', async () => {
  await using installation = await install(server);
  const { admin, operator } = installation;
  const over = await installation.createRun(FAST, { runDay: '2026-01-01' });
  const live = await installation.createRun(FAST, { runDay: '2026-01-02' });
  await over.worker().writeRobots('alone.test', { verdict: 'allow' }, never);
  await crawl(over, { hosts: 5 });
  await live.worker().seed(urls(2, { hosts: 2 }), never);
  await admin.query(`update host set used_at = '2026-01-01', next_at = '2026-01-01'`);
  await operator.dropDaysBefore('2026-02-01', [], never);
  const { rows } = await admin.query('select name from host order by 1');
  expect(rows.map(({ name }) => name)).toEqual(['host0.test', 'host1.test']);
  expect(await claimSome(live.worker(), 2)).not.toEqual([]);
});

it('a day that somebody reads is dropped later; workers wait for none of it, and the rest is done', async () => {
  await using installation = await install(server);
  const { operator } = installation;
  const read = await installation.createRun(FAST, { runDay: '2026-01-01' });
  const other = await installation.createRun(FAST, { runDay: '2026-01-02' });
  await crawl(read);
  await crawl(other);
  const today = await installation.createRun(FAST);
  const worker = today.worker();
  await worker.seed(urls(10), never);

  await installation.admin.query(
    `insert into host (scope, name, used_at) values ('default', 'old.test', '2026-01-01')`,
  );

  const reader = testClient(installation.database.superuserUrl, { schema: SCHEMA });
  await reader.connect();
  await reader.query('begin');
  await reader.query('select from request_20260101, item_20260101, change_20260101');
  await using hurried = shortLocks(installation);
  const refused = expect(hurried.dropDaysBefore('2026-02-01', [], never)).rejects.toMatchObject({
    reason: 'Unavailable',
  });
  await workUntilFinished(worker);
  await refused;
  expect(await count(installation, "host where name = 'old.test'")).toBe(0);
  await reader.query('rollback');
  await reader.end();
  expect(await operator.dropDaysBefore('2026-02-01', [], never)).toEqual(['2026-01-01', '2026-01-02']);
  expect(await count(installation, `pg_class where relname ~ '_202601'`)).toBe(0);
});

it.each(['item_20260101', 'change_20260101', 'request_20260101'])(
  'a day of which somebody reads %s alone is dropped later, all of it',
  async (table) => {
    await using installation = await install(server);
    await crawl(await installation.createRun(FAST, { runDay: '2026-01-01' }));
    const reader = testClient(installation.database.superuserUrl, { schema: SCHEMA });
    await reader.connect();
    await reader.query('begin');
    await reader.query(`select from ${table}`);
    await using hurried = shortLocks(installation);
    await expect(hurried.dropDaysBefore('2026-02-01', [], never)).rejects.toMatchObject({ reason: 'Unavailable' });
    await reader.query('rollback');
    await reader.end();
    expect(await installation.operator.dropDaysBefore('2026-02-01', [], never)).toEqual(['2026-01-01']);
    expect(await count(installation, `pg_class where relname ~ '_202601'`)).toBe(0);
  },
);

it('what went is counted: runs, hosts, and what was learnt of hosts that stay', async () => {
  await using installation = await install(server);
  const { admin, operator } = installation;
  await crawl(await installation.createRun(FAST, { runDay: '2026-01-01' }));
  await admin.query(`update run set finished_at = finished_at - interval '25 hours'`);
  await admin.query(`
    insert into host (scope, name, used_at) values ('default', 'old.test', '2026-01-01'), ('default', 'new.test', now());
    insert into robots (host_id, verdict, fetched_at) select host_id, 'allow', '2026-01-01' from host where name = 'new.test'`);
  const dropped: Record<string, number> = {};
  await operator.dropDaysBefore('2026-02-01', [], never, (what, n) => {
    dropped[what] = (dropped[what] ?? 0) + n;
  });
  expect(dropped).toEqual({ runs: 1, rememberedPages: 0, hosts: 1, learntOfHosts: 1 });
});

/** The operator's store with locks that give up soon. */
function shortLocks(installation: Installation) {
  const store = createOperatorStore({
    databaseUrl: installation.database.ownerUrl,
    schema: SCHEMA,
    logger: createLogger('test', 'fatal'),
    lockTimeoutMs: 300,
  });
  return { ...store, [Symbol.asyncDispose]: () => store.close() };
}

it('a retry of a run whose requests are not kept any more has failed, and says so', async () => {
  await using installation = await install(server);
  const { operator } = installation;
  const old = await installation.createRun(FAST, { runDay: '2026-01-01' });
  const worker = old.worker();
  await worker.seed(urls(1), never);
  const [claim] = await claimSome(worker, 1);
  if (!claim) throw new Error('no claim');
  await worker.commit([{ claim, type: 'dead', cause: 'HttpError', message: 'gone' }], never);
  expect(await worker.finish(never)).toBe(true);
  await operator.dropDaysBefore('2026-02-01', [], never);
  const retry = await installation.createRun(FAST, { deadLettersOf: old.runId });
  expect(await operator.snapshot(retry.runId, never)).toMatchObject({
    state: 'Finished',
    outcome: 'Failed',
    stopReason: 'DeadLettersGone',
    message: expect.stringContaining('keeps no dead letters'),
  });
});

it('runs that failed take nothing from what a schedule knows of its pages; three that saw the site do, however much', async () => {
  await using installation = await install(server);
  const { admin, operator } = installation;
  const scheduleUid = randomUUID();
  const run = () => installation.createRun(FAST, { scheduleUid });
  const first = await run();
  await crawl(first);
  await admin.query(
    `insert into page (schedule_uid, url_key, seen_by, plan)
     select $1, md5(n::text)::uuid, (select accepted_at from run where run_id = $2), $1 from generate_series(1, 25000) n`,
    [scheduleUid, first.runId],
  );
  for (let failure = 0; failure < 4; failure++) {
    const failed = await run();
    await operator.finishStopped(failed.runId, 'Failed', 'the workers failed', never);
    await operator.forgetPages(failed.runId, never);
  }
  expect(await count(installation, 'page')).toBe(25_000);
  const succeed = async (spec: Parameters<Installation['createRun']>[0] = {}) => {
    const next = await installation.createRun({ ...FAST, ...spec }, { scheduleUid });
    const worker = next.worker();
    await worker.seed(urls(1), never);
    const claims = await claimSome(worker, 1);
    const page = { plan: scheduleUid };
    await worker.commit(
      claims.map((claim) => ({ ...done(claim), page }) as ReturnType<typeof done>),
      never,
    );
    expect(await worker.finish(never)).toBe(true);
    await operator.forgetPages(next.runId, never);
  };
  const others = { name: 'blog', urls: ['http://blog.test/'], active: false };
  const part = [{ name: 'site', urls: ['http://site.test/'] }, others];
  for (let retry = 1; retry <= 3; retry++) {
    await succeed({ trigger: { type: 'Retry', retryOf: 'first', only: 'Dead' } });
    await succeed({ trigger: { type: 'Manual' }, sources: part });
  }
  expect(await count(installation, 'page')).toBe(25_001);
  for (let success = 0; success < 3; success++) await succeed();
  expect(await count(installation, 'page')).toBe(1);
});

it('keeps few partitions, however many days there are', async () => {
  await using installation = await install(server);
  const day = (offset: number) => new Date(Date.UTC(2026, 0, 1 + offset)).toISOString().slice(0, 10);
  for (let offset = 0; offset < 366; offset++) await installation.operator.ensureDay(day(offset), never);
  expect(await count(installation, 'day_partitions()')).toBeLessThan(45);
  const gaps = await installation.admin.query(
    `select d::date from generate_series('2026-01-01'::date, '2026-12-31', '1 day') d
     where (select count(*) from day_partitions() p where d >= p.first_day and d < p.next_day) <> 1`,
  );
  expect(gaps.rows).toEqual([]);
  // A year later those of the first one are gone, and the new ones are as long as those before them.
  for (let offset = 366; offset < 800; offset += 1) {
    await installation.operator.ensureDay(day(offset), never);
    if (offset % 30 === 0) await installation.operator.dropDaysBefore(day(offset - 366), [], never);
  }
  expect(await count(installation, 'day_partitions()')).toBeLessThan(20);
});
