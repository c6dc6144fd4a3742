// Databases that a migration finds in a state of somebody else's: an extension in the schema, a newer release, a session that
// works elsewhere, workers of an older version at work.
import { readFile } from 'node:fs/promises';
import type pg from 'pg';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { urlKey } from '#src/gateway/protocol/url-key.ts';
import type { Outcome } from '#src/gateway/protocol/worker-store.ts';
import { storeError } from '#src/store/connection.ts';
import { FUNCTIONS_VERSION } from '#src/store/function-versions.ts';
import { createOperatorStore } from '#src/store/postgres-operator-store.ts';
import { createToken, hashToken } from '#src/store/run-token.ts';
import { migrationTexts } from '#src/store/sql/texts.ts';
import { createLogger } from '#src/telemetry/logger.ts';
import { testClient, testPool } from '../../support/database-connections.ts';
import { type PostgresServer, startPostgres } from '../../support/postgres.ts';
import {
  claimSome,
  countersAndTruth,
  done,
  FAST,
  type Installation,
  install,
  never,
  RUN_DAY,
  SCHEMA,
  urls,
  workUntilFinished,
} from './fixture.ts';

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres(15, { fsync: false });
});
afterAll(() => server.stop());

const functionSet = async ({ admin }: Installation) => (await admin.query('select * from function_set')).rows[0];
const outdate = ({ admin }: Installation) =>
  admin.query(`update function_set set checksum = 'older', release = '0.0.0'`);

test('an extension in the schema, and a function of the owner, stay with their rights', async () => {
  await using installation = await install(server);
  const { admin, operator } = installation;
  await admin.query('create extension pg_trgm schema trawler');
  await admin.query(`create function trawler.theirs() returns int language sql as 'select 7'`);
  await outdate(installation);
  await operator.migrate(never);
  const worker = testClient(installation.workerUrl, { schema: SCHEMA });
  await worker.connect();
  const { rows } = await worker.query(`select similarity('word', 'word') as same, theirs() as theirs`);
  await worker.end();
  expect(rows).toEqual([{ same: 1, theirs: 7 }]);
});

test('what a later release has made stays, also with the same version; an earlier one is replaced', async () => {
  await using installation = await install(server);
  const { admin, operator } = installation;
  const current = await functionSet(installation);
  await admin.query(`update function_set set checksum = 'theirs', release = '999.0.0'`);
  await admin.query('comment on function finish_run(text) is null');
  expect(await operator.migrate(never)).toEqual([]);
  expect(await functionSet(installation)).toMatchObject({ checksum: 'theirs', release: '999.0.0' });
  const label = `select obj_description('finish_run(text)'::regprocedure, 'pg_proc') as label`;
  expect((await admin.query(label)).rows).toEqual([{ label: null }]);
  await outdate(installation);
  await operator.migrate(never);
  expect(await functionSet(installation)).toEqual(current);
});

test('nothing is made in another schema than the one that was asked for', async () => {
  const database = await server.createDatabase();
  const url = new URL(database.ownerUrl);
  url.searchParams.set('options', '-c search_path=public');
  const operator = createOperatorStore({
    databaseUrl: url.href,
    schema: SCHEMA,
    logger: createLogger('test', 'fatal'),
  });
  await expect(operator.migrate(never)).rejects.toMatchObject({
    reason: 'SchemaMismatch',
    message: expect.stringContaining('search_path'),
  });
  await operator.close();
  const admin = testClient(database.superuserUrl);
  await admin.connect();
  const { rows } = await admin.query(`select relname from pg_class where relnamespace = 'public'::regnamespace`);
  await admin.end();
  expect(rows).toEqual([]);
});

test('no statement of a migration is broken off for taking long, and whoever waits behind its locks waits for seconds', async () => {
  await using installation = await install(server);
  const { admin, operator } = installation;
  await admin.query(`
    create table public.seen (statement_timeout text, lock_timeout text);
    grant all on public.seen to public;
    create function public.look() returns event_trigger language plpgsql as $$ begin
      insert into public.seen values (current_setting('statement_timeout'), current_setting('lock_timeout'));
    end $$;
    create event trigger look on ddl_command_end execute function public.look()`);
  await outdate(installation);
  await operator.migrate(never);
  const { rows } = await admin.query('select distinct statement_timeout, lock_timeout from public.seen');
  expect(rows).toEqual([{ statement_timeout: '0', lock_timeout: '3s' }]);
});

type Claims = { claims?: { requestId: string; leaseToken: string; host: string; url: string }[] };

/**
 * Three workers that call as those of version 1 do, with six, four and five arguments. They make a call again that failed for
 * what passes, and go on until they are stopped.
 */
function startOldWorkers(pool: pg.Pool, token: string) {
  const completed = new Set<string>();
  const refused: string[] = [];
  let isOver = false;
  let isLast = false;

  async function call<Answer>(text: string, ...values: readonly unknown[]): Promise<Answer | undefined> {
    try {
      return (await pool.query<{ answer: Answer }>(`select ${text} as answer`, [...values])).rows[0]?.answer;
    } catch (error) {
      if (storeError(error).reason !== 'Unavailable') refused.push(String(error));
      return undefined;
    }
  }

  async function crawl(workerId: string): Promise<void> {
    for (let epoch = 0; !isOver && refused.length === 0; ) {
      const answer = await call<Claims>('claim_requests($1, $2, 5, 0, $3, $4)', token, workerId, epoch, []);
      if (answer === undefined) epoch += 1; // what it leased is not known
      for (const { requestId, leaseToken, host, url } of answer?.claims ?? []) {
        const link = { key: crypto.randomUUID(), url: `${url}/next`.slice(0, 2_000), host, source: 'site', depth: 1 };
        const links = JSON.stringify(isLast ? [] : [link]);
        await call('add_links($1, $2, $3, $4, $5)', token, workerId, requestId, leaseToken, links);
        const outcome = JSON.stringify([{ key: requestId, token: leaseToken, type: 'done', items: [{ url }] }]);
        let ended: string[] | undefined;
        while (ended === undefined && refused.length === 0) {
          ended = await call('commit_outcomes($1, $2, $3, $4)', token, workerId, outcome, '[]');
        }
        for (const key of ended ?? []) completed.add(key);
      }
    }
  }

  const workers = Array.from({ length: 3 }, () => crawl(crypto.randomUUID()));
  return {
    refused,
    completed,
    async goOn(): Promise<void> {
      const enough = completed.size + 30;
      await vi.waitFor(() => expect(completed.size + 1_000_000 * refused.length).toBeGreaterThan(enough), 20_000);
      expect(refused).toEqual([]);
    },
    /** Follows no more links, and crawls until nothing is left. */
    async finish(): Promise<void> {
      isLast = true;
      const isFinished = async () => (await call<boolean>('finish_run($1)', token)) === true || refused.length > 0;
      await vi.waitFor(async () => expect(await isFinished()).toBe(true), { timeout: 30_000, interval: 100 });
    },
    async stop(): Promise<void> {
      isOver = true;
      await Promise.all(workers);
    },
  };
}

test('workers of version 1 go on while tables are altered and functions made anew, again and again', async () => {
  await using installation = await install(server);
  const { admin, operator } = installation;
  const run = await installation.createRun({ ...FAST, limits: { maxPages: 100_000 } });
  await run.worker().seed(urls(400, { hosts: 20 }), never);
  const pool = testPool(installation.workerUrl, { max: 3, schema: SCHEMA });
  const workers = startOldWorkers(pool, run.token);
  for (let step = 0; step < 6; step++) {
    await outdate(installation);
    await migrateInTheEnd(operator);
    await admin.query(`set lock_timeout = '3s'; alter table lane add column step_${step} int not null default 0`);
    await workers.goOn();
  }
  await workers.stop();
  await pool.end();
  expect(workers.refused).toEqual([]);
  const { rows } = await admin.query<{ n: number }>('select count(*)::int as n from item');
  expect(rows[0]?.n).toBe(workers.completed.size);
});

test('a database of version 1 becomes one of today while its workers are at work', async () => {
  const database = await server.createDatabase();
  const owner = testPool(database.ownerUrl, { max: 4, schema: SCHEMA });
  const operator = createOperatorStore({
    databaseUrl: database.ownerUrl,
    schema: SCHEMA,
    logger: createLogger('test', 'fatal'),
  });
  try {
    const token = await makeVersion1(owner);
    const workers = startOldWorkers(owner, token);
    try {
      await workers.goOn();
      await migrateInTheEnd(operator);
      await workers.goOn();
      await workers.finish();
    } finally {
      await workers.stop();
    }
    expect(workers.refused).toEqual([]);
    const { rows } = await owner.query<Record<'n' | 'done' | 'found' | 'version', number>>(
      `select count(*)::int as n, (select sum(succeeded)::int from progress) as done,
         (select count(*)::int from request) as found, (select version from function_set) as version from item`,
    );
    const { size } = workers.completed;
    expect(rows).toEqual([{ n: size, done: size, found: size, version: FUNCTIONS_VERSION }]);
    expect((await owner.query('select from kysely_migration')).rowCount).toBe(Object.keys(migrationTexts).length);
  } finally {
    await operator.close();
    await owner.end();
  }
});

test('what a run of the release before had queued, leased and put aside is crawled to the end', async () => {
  await using installation = await install(server);
  const { admin, operator } = installation;
  const run = await installation.createRun({ ...FAST, limits: { maxPages: 100_000 } });
  const before = run.worker();
  const pages = [0, 2, 1].flatMap((depth) => urls(40, { hosts: 4, depth, prefix: `depth${depth}-` }));
  await before.seed(pages, never);
  const [left = [], failed = [], ended = []] = [
    await claimSome(before, 10),
    await claimSome(before, 10),
    await claimSome(before, 10),
  ];
  await before.commit(
    [
      ...left.slice(0, 5).map((claim): Outcome => ({ claim, type: 'released' })),
      ...failed.map((claim): Outcome => ({ claim, type: 'retry', cause: 'Timeout', message: 'slow', delayMs: 100 })),
      ...ended.map((claim) => done(claim)),
    ],
    never,
  );
  await admin.query(
    `update lane set next_at = 'infinity' where run_id = $1 and lane_id = (select min(lane_id) from lane where run_id = $1)`,
    [run.runId],
  );
  await admin.query(`
    drop table alert_acknowledgement, audit, queue_review, delivery, notification, disabled_target, execution, comparison, change, run_log, run_log_total, long_change;
    drop sequence change_id_seq;
    alter table run drop column image, drop column paused_at, drop column paused_seconds,
      drop column spec_generation, drop column is_pace_changed, drop column has_item_ranges, drop column terminates,
      drop column live_version, drop column expected_fields;
    alter table request drop column first_item, drop column last_item;
    alter table worker drop column stalled_at, drop column stall;
    alter table progress drop column bytes, drop column partial_pages, drop column field_counts;
    drop table lane_key;
    drop index lane_by_id;
    drop index lane_by_host;
    drop index run_by_name;
    drop index run_of_namespace;
    alter table lane alter column lane_id set generated always,
      add constraint run_host_pkey primary key (lane_id),
      add constraint run_host_run_id_host_id_source_no_key unique (run_id, host_id, source_no);
    drop type due_lane cascade;
    alter table lane drop column retries_from, drop column front_priority, drop column front_from;
    alter type arrival drop attribute priority;
    alter type pick drop attribute lane_no;
    delete from kysely_migration where name >= '0008'`);
  await outdate(installation);
  await migrateInTheEnd(operator);

  const rest = run.worker();
  expect(await operator.releaseWorker(run.runId, before.workerId, never)).toBe(left.length - 5);
  const { refused } = await workUntilFinished(rest);
  expect(refused).toEqual([]);
  const { rows } = await admin.query<{ url: string; items: number }>(
    `select url, count(item.run_id)::int as items from request left join item using (run_id, url_key)
     where state = 'done' and run_id = $1 group by url order by url`,
    [run.runId],
  );
  expect(rows).toEqual(pages.map(({ url }) => ({ url, items: 1 })).sort((a, b) => (a.url < b.url ? -1 : 1)));
  const [counted, stored] = await countersAndTruth(installation, run.runId);
  expect(counted).toEqual(stored);
});

test('a migration that waits for a lock in vain says so soon, keeps no lock, and works later', async () => {
  const database = await server.createDatabase();
  const owner = testPool(database.ownerUrl, { max: 2, schema: SCHEMA });
  const operator = createOperatorStore({
    databaseUrl: database.ownerUrl,
    schema: SCHEMA,
    logger: createLogger('test', 'fatal'),
  });
  try {
    await makeVersion1(owner);
    const reader = await owner.connect();
    try {
      await reader.query('begin');
      await reader.query('lock table run_host in access share mode');
      const refusal = { reason: 'Unavailable', message: expect.stringContaining('lock timeout') };
      await expect(operator.migrate(never)).rejects.toMatchObject(refusal);
    } finally {
      await reader.query('rollback');
      reader.release();
    }
    const { rows } = await owner.query(
      `select from pg_locks join pg_database on oid = database where locktype = 'advisory' and datname = current_database()`,
    );
    expect(rows).toHaveLength(0);
    await operator.migrate(never);
  } finally {
    await operator.close();
    await owner.end();
  }
});

/** Tables and functions as version 1 made them, with a run of 400 queued pages; its token. */
async function makeVersion1(owner: pg.Pool): Promise<string> {
  const [token, runId] = [createToken(), crypto.randomUUID()];
  const functions = await readFile(new URL('functions-of-version-1.sql', import.meta.url), 'utf8');
  await owner.query(`create schema ${SCHEMA}`);
  await owner.query(migrationTexts['0001-frontier'] ?? '');
  await owner.query(`set check_function_bodies = off; ${functions}`);
  await owner.query(
    `create table kysely_migration (name varchar(255) primary key, timestamp varchar(255) not null);
     create table kysely_migration_lock (id varchar(255) primary key, is_locked integer not null default 0);
     insert into kysely_migration values ('0001-frontier', '2026-01-01T00:00:00.000Z');
     insert into kysely_migration_lock values ('migration_lock', 0);
     insert into function_set values ('of version 1', 1, 1)`,
  );
  await owner.query('select ensure_day($1)', [RUN_DAY]);
  await owner.query(
    `insert into run (run_id, run_day, namespace, name, trigger, host_scope, delay_ms, max_pages, max_retries, lease_seconds)
     values ($1, $2, 'default', 'old', 'Manual', 'default', 0.1, 100000, 3, 60)`,
    [runId, RUN_DAY],
  );
  await owner.query(`insert into source values ($1, 0, 'site', true)`, [runId]);
  await owner.query('insert into run_token values ($1, $2)', [hashToken(token), runId]);
  const links = urls(400, { hosts: 20 }).map((link) => ({ ...link, key: urlKey(link.url) }));
  await owner.query('select seed_frontier($1, $2, $3)', [token, crypto.randomUUID(), JSON.stringify(links)]);
  return token;
}

/** A lock that a worker holds for long makes it give up; the operator tries again. */
async function migrateInTheEnd(operator: Installation['operator']): Promise<void> {
  for (let attempt = 0; attempt < 10; attempt++) {
    try {
      await operator.migrate(never);
      return;
    } catch (error) {
      expect(error).toMatchObject({ reason: 'Unavailable' });
    }
  }
  throw new Error('ten attempts were not enough');
}
