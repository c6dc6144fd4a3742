// What a claim and a commit cost does not grow with what there is: days, sources, workers, hosts, dead rows. Locks, pages of
// the database that are looked at and memory of a session are counted, never times: they are the same on any machine.
import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { OPERATOR_ID } from '#src/store/runs.ts';
import { testClient } from '../../support/database-connections.ts';
import { type PostgresServer, startPostgres } from '../../support/postgres.ts';
import { FAST, type Installation, install, never, RUN_DAY, SCHEMA, type TestRun, urls } from './fixture.ts';

type Cost<Answer> = {
  readonly answer: Answer;
  /** Locks of tables and indexes at the end of the transaction. */
  readonly locks: number;
  /** Pages of tables and indexes that were looked at, in memory or on disk. */
  readonly pages: number;
  /** Entries of indexes that were gone through, those of rows that are dead among them. */
  readonly entries: number;
  /** Whether the transaction has written anything, and be it a row's lock. */
  readonly hasWritten: boolean;
};

type ClaimAnswer = {
  readonly state: string;
  readonly dueFrom?: number;
  readonly claims?: readonly {
    readonly requestId: string;
    readonly leaseToken: string;
    readonly source: string;
    readonly url: string;
  }[];
};

/** One connection of a worker's, whose plans stay as long as it does. */
type Session = AsyncDisposable & {
  readonly workerId: string;
  readonly token: string;
  claim(slots: number, dueFrom?: number): Promise<Cost<ClaimAnswer>>;
  commit(claimed: ClaimAnswer): Promise<Cost<readonly string[]>>;
  /** Gives back what was claimed: it holds its place, and is due at once. */
  release(claimed: ClaimAnswer): Promise<Cost<readonly string[]>>;
  call(expression: string, ...values: readonly unknown[]): Promise<Cost<unknown>>;
  memoryMb(): Promise<number>;
};

async function openSession({ database }: Installation, run: TestRun): Promise<Session> {
  const client = testClient(database.superuserUrl, { schema: SCHEMA });
  await client.connect();
  const workerId = randomUUID();

  async function cost<Answer>(expression: string, ...values: readonly unknown[]): Promise<Cost<Answer>> {
    await client.query('begin');
    try {
      const before = await workSoFar(client);
      const { rows } = await client.query<{ answer: Answer }>(`select ${expression} as answer`, [...values]);
      const after = await workSoFar(client);
      const state = await client.query<{ locks: number; wrote: boolean }>(
        `select count(*)::int as locks, pg_current_xact_id_if_assigned() is not null as wrote
         from pg_locks where pid = pg_backend_pid() and locktype = 'relation'`,
      );
      const [row] = rows;
      const [found] = state.rows;
      if (row === undefined || found === undefined) throw new Error('no answer');
      return {
        ...{ answer: row.answer, locks: found.locks, hasWritten: found.wrote },
        ...{ pages: after.pages - before.pages, entries: after.entries - before.entries },
      };
    } finally {
      await client.query('commit');
    }
  }

  function commit(claimed: ClaimAnswer, outcome: (url: string) => object): Promise<Cost<readonly string[]>> {
    const outcomes = (claimed.claims ?? []).map(({ requestId, leaseToken, url }) => ({
      ...{ key: requestId, token: leaseToken, ...outcome(url) },
    }));
    return cost('commit_outcomes($1, $2, $3, null, null)', run.token, workerId, JSON.stringify(outcomes));
  }

  return {
    workerId,
    token: run.token,
    call: cost,
    claim: (slots, dueFrom) =>
      cost('claim_requests($1, $2, $3, 0, 0, null, null, $4)', run.token, workerId, slots, dueFrom ?? null),
    commit: (claimed) => commit(claimed, (url) => ({ type: 'done', items: [{ url }] })),
    release: (claimed) => commit(claimed, () => ({ type: 'released' })),
    async memoryMb() {
      const { rows } = await client.query<{ bytes: string }>(
        'select sum(total_bytes) as bytes from pg_backend_memory_contexts',
      );
      return Number(rows[0]?.bytes) / 2 ** 20;
    },
    [Symbol.asyncDispose]: () => client.end(),
  };
}

/** A snapshot of another session that stays open until it is disposed of. */
async function openSnapshot({ database }: Installation): Promise<AsyncDisposable> {
  const reader = testClient(database.superuserUrl, { schema: SCHEMA });
  await reader.connect();
  await reader.query('begin isolation level repeatable read');
  await reader.query('select from run');
  return { [Symbol.asyncDispose]: () => reader.end() };
}

/** So many claims of so many pages each. */
async function claims(session: Session, slots: number, count: number): Promise<readonly Cost<ClaimAnswer>[]> {
  const made: Cost<ClaimAnswer>[] = [];
  let dueFrom: number | undefined;
  while (made.length < count) {
    const claim = await session.claim(slots, dueFrom);
    dueFrom = claim.answer.dueFrom;
    if (claim.answer.state === 'Finished') throw new Error('nothing is left');
    if (claim.answer.claims) made.push(claim);
  }
  return made;
}

function meanEntries(costs: readonly Cost<unknown>[]): number {
  return costs.reduce((sum, { entries }) => sum + entries, 0) / costs.length;
}

function meanPages(costs: readonly Cost<unknown>[]): number {
  return costs.reduce((sum, { pages }) => sum + pages, 0) / costs.length;
}

/** By the statistics that the session's transaction has not handed in yet. */
async function workSoFar(client: pg.Client): Promise<{ readonly pages: number; readonly entries: number }> {
  const { rows } = await client.query<{ pages: number; entries: number }>(
    `select coalesce(sum(pg_stat_get_xact_blocks_fetched(oid)), 0)::int as pages,
       coalesce(sum(pg_stat_get_xact_tuples_returned(oid)) filter (where relkind = 'i'), 0)::int as entries
     from pg_class where relnamespace = '${SCHEMA}'::regnamespace and relkind in ('r', 'i')`,
  );
  const [row] = rows;
  if (row === undefined) throw new Error('no answer');
  return row;
}

const dayAfter = (days: number) => new Date(Date.UTC(2026, 0, 1 + days)).toISOString().slice(0, 10);
const sourceNames = (count: number) => Array.from({ length: count }, (_, number) => `source${number}`);
const sourcesOf = (names: readonly string[]) => names.map((name) => ({ name, urls: [`http://${name}.test/`] }));

/** More queued requests at each lane of the run, all of them due. */
async function queueMore({ admin }: Installation, run: TestRun, runDay: string, perLane: number): Promise<void> {
  await admin.query(
    `insert into request (run_id, url_key, lane_id, available_at, run_day, source_no, depth, priority, url)
     select run_id, gen_random_uuid(), lane_id, now(), $2, source_no, 0, 0, 'http://site.test/' || lane_id || '/' || n
     from lane, generate_series(1, $3::int) n where run_id = $1`,
    [run.runId, runDay, perLane],
  );
  await admin.query(
    `update lane set queued = queued + $2, next_at = '2026-01-01', front_priority = 0, front_from = '-infinity' where run_id = $1`,
    [run.runId, perLane],
  );
}

// Statistics are as stale as they can be: nothing brings them up to date.
describe.each([15, 18] as const)('PostgreSQL %i', (version) => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startPostgres(version, { fsync: false, settings: { autovacuum: 'off' } });
  });
  afterAll(() => server?.stop());

  test.each([
    [1, 1],
    [32, 1],
    [366, 1],
    [1, 100],
    [366, 100],
  ])('%i days and %i sources, with plans from the beginning of the day', async (days, sources) => {
    await using installation = await install(server);
    for (let day = 0; day < days; day++) await installation.operator.ensureDay(dayAfter(day), never);
    const runDay = dayAfter(days - 1);
    const names = sourceNames(sources);
    const run = await installation.createRun({ ...FAST, sources: sourcesOf(names) }, { runDay });
    await run.worker().seed(
      names.flatMap((source) => urls(100, { source, hosts: 50, prefix: source })),
      never,
    );
    await using session = await openSession(installation, run);
    const first = await session.claim(10);
    expect(first.locks).toBeLessThan(500);
    await session.commit(first.answer);
    await session.call('release_worker($1, $2, $3)', run.runId, randomUUID(), OPERATOR_ID);

    await queueMore(installation, run, runDay, 20_000 / (50 * sources));
    for (let round = 0; round < 3; round++) {
      const claim = await session.claim(10);
      expect(claim.answer.claims?.length).toBeGreaterThan(3);
      expect(claim).toMatchObject({ locks: below(130), pages: below(300) });
      const commit = await session.commit(claim.answer);
      expect(commit.answer).toHaveLength(claim.answer.claims?.length ?? -1);
      expect(commit).toMatchObject({ locks: below(110), pages: below(300) });
    }
    const held = await session.claim(10);
    const released = await session.call('release_worker($1, $2, $3)', run.runId, session.workerId, OPERATOR_ID);
    expect(released.answer).toBe(held.answer.claims?.length);
    expect(released).toMatchObject({ locks: below(160), pages: below(400) });
    expect(await session.memoryMb()).toBeLessThan(20);
  });

  // With PostgreSQL's own settings: 100 connections, 64 locks for each.
  test('366 days: as many first claims at once as there are connections', async () => {
    await using installation = await install(server);
    for (let day = 0; day < 366; day++) await installation.operator.ensureDay(dayAfter(day), never);
    const run = await installation.createRun(FAST, { runDay: dayAfter(365) });
    await run.worker().seed(urls(500, { hosts: 100 }), never);
    const workers = Array.from({ length: 90 }, () => randomUUID());
    // A worker whose slots are not known claims alone.
    await installation.admin.query(
      `insert into worker (run_id, worker_id, pod_name, slots, lease_until)
       select $1, id, 'pod', 2, now() + interval '1 hour' from unnest($2::uuid[]) id`,
      [run.runId, workers],
    );
    await using clients = new AsyncDisposableStack();
    const states = await Promise.all(
      workers.map(async (worker) => {
        const client = testClient(installation.database.superuserUrl, { schema: SCHEMA });
        await client.connect();
        clients.defer(() => client.end());
        await client.query('begin');
        const { rows } = await client.query<{ answer: ClaimAnswer }>(
          `select claim_requests($1, $2, 2, 0, 0, null, null, null) as answer`,
          [run.token, worker],
        );
        return rows[0]?.answer.state;
      }),
    );
    expect(states.filter((state) => state === 'Claimed').length).toBeGreaterThan(20);
    // All of them hold their locks still.
    const { rows } = await installation.admin.query<{ sessions: number; locks: number }>(
      `select count(distinct pid)::int as sessions, count(*)::int as locks from pg_locks
       where pid <> pg_backend_pid() and locktype = 'relation'`,
    );
    expect(rows[0]).toMatchObject({ sessions: workers.length, locks: below(500 * workers.length) });
  });

  test('60,000 hosts of a source that is full, beside one that is not', { timeout: 120_000 }, async () => {
    await using installation = await install(server);
    const [full, open] = ['full', 'open'];
    const sources = [
      { name: full, urls: ['http://full.test/'], limits: { maxPages: 1 } },
      { name: open, urls: ['http://open.test/'] },
    ];
    const run = await installation.createRun({ ...FAST, sources });
    await run.worker().seed([...urls(1, { source: full }), ...urls(20, { source: open, hosts: 20 })], never);
    await using session = await openSession(installation, run);
    for (let round = 0; round < 30; round++) await session.commit((await session.claim(10)).answer);
    await fillHosts(installation, run, 0, 60_000);
    await fillHosts(installation, run, 1, 200);
    const costs: number[] = [];
    for (let round = 0; round < 40; round++) {
      const { answer, pages } = await session.claim(5);
      expect(new Set(answer.claims?.map(({ source }) => source) ?? [open])).toEqual(new Set([open]));
      await session.commit(answer);
      if (answer.claims) costs.push(pages);
    }
    expect(costs.length).toBeGreaterThan(10);
    expect(costs.at(-1)).toBeLessThan(500);
  });

  test('100 sources and 100 workers: the page limits are added up now and then, not at each claim', async () => {
    await using installation = await install(server);
    const names = sourceNames(100);
    const settings = { ...FAST, workers: 100, limits: { maxPages: 10_000_000 }, sources: sourcesOf(names) };
    const run = await installation.createRun(settings);
    await run.worker().seed(
      names.flatMap((source) => urls(5, { source, hosts: 5, prefix: source })),
      never,
    );
    await installation.admin.query(
      `insert into worker (run_id, worker_id, pod_name, slots, lease_until)
         select $1, gen_random_uuid(), 'pod', 5, now() + interval '1 hour' from generate_series(1, 100)`,
      [run.runId],
    );
    await installation.admin.query(
      `insert into progress (run_id, worker_id, source_no)
         select run_id, worker_id, source_no from worker join source using (run_id) where run_id = $1`,
      [run.runId],
    );
    await using session = await openSession(installation, run);
    const costs: number[] = [];
    for (let round = 0; round < 10; round++) costs.push((await session.claim(2)).pages);
    expect(Math.max(...costs)).toBeGreaterThan(200);
    expect(costs.toSorted((a, b) => a - b)[5]).toBeLessThan(200);
  });

  // What was claimed before is dead, and cannot go as long as the snapshot may see it.
  describe('a snapshot that stays open', () => {
    test.each([
      ['new pages', 0],
      ['pages that were given back', 1],
    ])('a claim of %s does not look at what was claimed before', async (_, givenBack) => {
      await using installation = await install(server);
      const run = await installation.createRun({ ...FAST, limits: { maxPages: 1_000_000 } });
      await run.worker().seed(urls(3_000), never);
      await using session = await openSession(installation, run);
      await using _snapshot = await openSnapshot(installation);
      for (let round = 0; round < givenBack; round++) {
        const held = await claims(session, 20, 150);
        for (const claim of held) await session.release(claim.answer);
      }
      const before = await claims(session, 10, 10);
      for (const claim of await claims(session, 500, 5)) await session.commit(claim.answer);
      const after = await claims(session, 10, 10);
      expect(meanEntries(after)).toBeLessThan(meanEntries(before) + 20);
    });

    test('a claim does not look at the versions of its lane', async () => {
      await using installation = await install(server);
      const run = await installation.createRun(FAST);
      await run.worker().seed(urls(500), never);
      await using session = await openSession(installation, run);
      await using _snapshot = await openSnapshot(installation);
      await claims(session, 1, 5);
      const before = await claims(session, 1, 10);
      await claims(session, 1, 400);
      const after = await claims(session, 1, 10);
      expect(meanPages(after)).toBeLessThan(meanPages(before) + 100);
    });

    test('a claim looks at few of the versions of its hosts', async () => {
      await using installation = await install(server);
      const run = await installation.createRun(FAST);
      await run.worker().seed(urls(1_000, { hosts: 20 }), never);
      await using session = await openSession(installation, run);
      await using _snapshot = await openSnapshot(installation);
      const before = await claims(session, 1, 20);
      await installation.admin.query(`
        do $$ begin
          for n in 1..150 loop
            update host set next_at = next_at + interval '1 us';
          end loop;
        end $$`);
      await claims(session, 1, 20);
      const after = await claims(session, 1, 40);
      expect(meanPages(after)).toBeLessThan(meanPages(before) + 50);
    });

    test('a look in vain does not look at what was due before', async () => {
      await using installation = await install(server);
      const run = await installation.createRun(FAST);
      await run.worker().seed(urls(40, { hosts: 4 }), never);
      await using session = await openSession(installation, run);
      await using _snapshot = await openSnapshot(installation);
      const { admin } = installation;
      await admin.query(`update lane set next_at = now() + interval '1 hour'`);
      const before = await vainLook(session);
      await admin.query(`
        do $$ begin
          for n in 1..2000 loop
            update lane set next_at = now() - interval '1 hour' + n * interval '1 ms';
          end loop;
          update lane set next_at = now() + interval '1 hour';
        end $$`);
      await session.claim(1);
      const after = await vainLook(session);
      expect(after).toBeLessThan(before + 20);
    });

    /** Entries that a worker goes through which knows that nothing is due. */
    async function vainLook(session: Session): Promise<number> {
      const first = await session.claim(10);
      expect(first.answer.dueFrom).toBeGreaterThan(Date.now() - 60_000);
      const look = await session.claim(10, first.answer.dueFrom);
      expect(look.answer.state).toBe('Wait');
      const end = await session.call('finish_run($1)', session.token);
      expect(end.answer).toBe(false);
      const outlook = await session.call('run_outlooks(array[$1])', session.token);
      expect(outlook.answer).toMatchObject([{ dueInMs: expect.any(Number), isEmpty: false }]);
      return look.entries + end.entries + outlook.entries;
    }
  });

  test('a source that is switched off, and one that is full, leave claims side by side', async () => {
    await using installation = await install(server);
    const sources = [
      { name: 'off', urls: ['http://off.test/'], active: false, limits: { maxPages: 1 } },
      { name: 'full', urls: ['http://full.test/'], limits: { maxPages: 1 } },
      { name: 'open', urls: ['http://open.test/'] },
    ];
    const run = await installation.createRun({ ...FAST, sources, limits: { maxPages: 100_000 } });
    await run.worker().seed([...urls(1, { source: 'full' }), ...urls(200, { source: 'open', hosts: 5 })], never);
    await using session = await openSession(installation, run);
    const isExact = async () =>
      (await installation.admin.query('select exact_limits from run where run_id = $1', [run.runId])).rows[0]
        ?.exact_limits;
    for (let round = 0; round < 10; round++) await session.commit((await session.claim(10)).answer);
    expect(await isExact()).toBe(false);
  });

  test('a look that finds nothing writes nothing', async () => {
    await using installation = await install(server);
    const names = sourceNames(3);
    const run = await installation.createRun({ ...FAST, sources: sourcesOf(names) });
    await run.worker().seed(urls(10, { source: names[0] ?? '' }), never);
    await using other = await openSession(installation, run);
    await using session = await openSession(installation, run);
    await session.claim(1);
    await session.claim(1);
    while ((await other.claim(10)).answer.claims);
    const vain = async (what: string) => {
      for (let round = 0; round < 3; round++) {
        const { answer, hasWritten } = await session.claim(1);
        expect({ what, state: answer.state, hasWritten }).toEqual({ what, state: 'Wait', hasWritten: false });
        const end = await session.call('finish_run($1)', run.token);
        expect({ what, ...end }).toMatchObject({ what, answer: false, hasWritten: false });
      }
    };
    await vain('everything is leased');
    const { admin } = installation;
    await queueMore(installation, run, RUN_DAY, 10);
    await admin.query(`update lane set next_at = now() + interval '1 hour' where run_id = $1`, [run.runId]);
    await vain('no host is due');
    await admin.query('update source set max_pages = 1 where run_id = $1 and source_no = 0', [run.runId]);
    await admin.query(`update lane set next_at = 'infinity' where run_id = $1`, [run.runId]);
    await vain('the source is full');
  });
});

/** Hosts with one due request each, for a source by its number. */
async function fillHosts({ admin }: Installation, run: TestRun, sourceNo: number, count: number): Promise<void> {
  await admin.query(
    `insert into host (scope, name) select 'default', 'source' || $1::int || '-' || n || '.test' from generate_series(1, $2::int) n`,
    [sourceNo, count],
  );
  await admin.query(
    `with made as (
       insert into lane_key (run_id, host_id, source_no)
       select $1, host_id, $2::smallint from host where name like 'source' || $2::smallint || '-%' returning *)
     insert into lane (lane_id, run_id, host_id, source_no, queued, next_at)
     select lane_id, run_id, host_id, source_no, 1, now() - interval '1 hour' from made`,
    [run.runId, sourceNo],
  );
  await admin.query(
    `insert into request (run_id, url_key, lane_id, available_at, run_day, source_no, depth, priority, url)
     select run_id, gen_random_uuid(), lane_id, now(), $3, source_no, 0, 0, 'http://' || name || '/'
     from lane join host using (host_id) where run_id = $1 and source_no = $2 and name like 'source%'`,
    [run.runId, sourceNo, RUN_DAY],
  );
  await admin.query(
    `insert into progress (run_id, worker_id, source_no, discovered) values ($1, gen_random_uuid(), $2, $3)`,
    [run.runId, sourceNo, count],
  );
}

const below = (bound: number) => expect.toSatisfy((value: number) => value < bound, `below ${bound}`);
