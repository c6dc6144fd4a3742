// What is changed after the migrations, outside of their transaction: it goes on where it was broken off, alone, beside workers.
import { Kysely } from 'kysely';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type LongChange, makeLongChanges } from '#src/store/long-changes.ts';
import { OperatorDialect } from '#src/store/operator-dialect.ts';
import type { Database } from '#src/store/schema.ts';
import { createLogger } from '#src/telemetry/logger.ts';
import { testClient, testPool } from '../../support/database-connections.ts';
import { type PostgresServer, startPostgres } from '../../support/postgres.ts';
import { FAST, type Installation, install, never, SCHEMA, urls, workUntilFinished } from './fixture.ts';

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres(15, { fsync: false });
});
afterAll(() => server.stop());

/** An operator of its own, with connections of its own. */
function operatorOf({ database }: Installation) {
  const pool = testPool(database.ownerUrl, { max: 2, schema: SCHEMA });
  const db = new Kysely<Database>({ dialect: new OperatorDialect({ pool }) });
  const logger = createLogger('test', 'fatal');
  return {
    pool,
    make: (changes: readonly LongChange[], signal = never) => makeLongChanges(db, SCHEMA, logger, signal, changes),
    [Symbol.asyncDispose]: () => db.destroy(),
  };
}

const indexOf = async ({ admin }: Installation, name: string) =>
  (
    await admin.query<{ valid: boolean; unique: boolean }>(
      'select indisvalid as valid, indisunique as unique from pg_index where indexrelid = to_regclass($1)',
      [name],
    )
  ).rows[0];

const ROWS = 950;
const FILL: LongChange = {
  name: 'fill',
  rows: 'update numbers set twice = 2 * n where n in (select n from numbers where twice is null order by n limit 100)',
};

async function makeNumbers({ pool }: ReturnType<typeof operatorOf>): Promise<void> {
  await pool.query('create table numbers (n int primary key, twice int)');
  await pool.query('insert into numbers select generate_series(1, $1::int)', [ROWS]);
}

test('what refers to a row that may go is found by an index', async () => {
  await using installation = await install(server);
  const made = await installation.operator.makeLongChanges(never);
  expect(made).toContain('0001-blocked-host-by-host');
  expect(await installation.operator.makeLongChanges(never)).toEqual([]);
  const { rows } = await installation.admin.query<{ constraint: string }>(
    `select conrelid::regclass || ': ' || pg_get_constraintdef(c.oid) as constraint from pg_constraint c
     where contype = 'f' and connamespace = '${SCHEMA}'::regnamespace and not exists (
       select from pg_index where indrelid = conrelid and indisvalid and indpred is null
         and (string_to_array(indkey::text, ' ')::int2[])[1:cardinality(conkey)] @> conkey)`,
  );
  expect(rows).toEqual([]);
});

test('a change of rows that is broken off goes on where it was, and is never made again', async () => {
  await using installation = await install(server);
  await using operator = operatorOf(installation);
  await makeNumbers(operator);
  const filled = async () =>
    (await operator.pool.query<{ n: number }>('select count(twice)::int as n from numbers')).rows[0]?.n;
  // The fourth part fails.
  await operator.pool.query('alter table numbers add constraint small check (twice < 700)');
  await expect(operator.make([FILL])).rejects.toThrow('small');
  expect(await filled()).toBe(300);
  const told = `select changed::int, finished_at is not null as finished from long_change where name = 'fill'`;
  expect((await operator.pool.query(told)).rows).toEqual([{ changed: 300, finished: false }]);

  await operator.pool.query('alter table numbers drop constraint small');
  expect(await operator.make([FILL])).toEqual(['fill']);
  expect(await filled()).toBe(ROWS);
  expect((await operator.pool.query(told)).rows).toEqual([{ changed: ROWS, finished: true }]);
  await operator.pool.query('update numbers set twice = null');
  expect(await operator.make([FILL])).toEqual([]);
  expect(await filled()).toBe(0);
});

test('an index that was broken off is made anew', async () => {
  await using installation = await install(server);
  await using operator = operatorOf(installation);
  await makeNumbers(operator);
  await operator.pool.query('update numbers set twice = 1');
  await expect(operator.pool.query('create unique index concurrently by_twice on numbers (twice)')).rejects.toThrow();
  expect(await indexOf(installation, 'by_twice')).toEqual({ valid: false, unique: true });
  expect(await operator.make([{ name: 'index', index: 'by_twice', on: 'numbers (twice)' }])).toEqual(['index']);
  expect(await indexOf(installation, 'by_twice')).toEqual({ valid: true, unique: false });
});

test('an index goes when the one is there that takes its place, also when that was broken off between the two', async () => {
  await using installation = await install(server);
  await using operator = operatorOf(installation);
  await makeNumbers(operator);
  const names = ['first', 'second'];
  for (const name of names) await operator.pool.query(`create index before_${name} on numbers (twice)`);
  await operator.pool.query('create index after_second on numbers (twice, n)');
  const changes = names.map((name) => ({
    ...{ name, index: `after_${name}`, on: 'numbers (twice, n)', inPlaceOf: `before_${name}` },
  }));
  expect(await operator.make(changes)).toEqual(names);
  for (const name of names) {
    expect(await indexOf(installation, `after_${name}`)).toMatchObject({ valid: true });
    expect(await indexOf(installation, `before_${name}`)).toBeUndefined();
  }
});

test('workers crawl, and other operators leave it alone, while an index waits for an old transaction', async () => {
  await using installation = await install(server);
  await using operator = operatorOf(installation);
  await using other = operatorOf(installation);
  const run = await installation.createRun(FAST);
  await run.worker().seed(urls(50, { hosts: 5 }), never);
  await using cleanup = new AsyncDisposableStack();
  const reader = testClient(installation.database.superuserUrl, { schema: SCHEMA });
  await reader.connect();
  cleanup.defer(() => reader.end());
  await reader.query('begin isolation level repeatable read; select from lane');
  const change: LongChange = { name: 'index', index: 'lane_by_source', on: 'lane (run_id, source_no)' };
  const isWaiting = async () => {
    const { rows } = await installation.admin.query(
      `select from pg_stat_activity where datname = current_database() and query ~ '^(create|drop) index concurrently'
       and wait_event_type = 'Lock'`,
    );
    expect(rows).toHaveLength(1);
  };

  // An operator that ends breaks it off.
  const ending = new AbortController();
  const broken = operator.make([change], ending.signal);
  const refused = expect(broken).rejects.toThrow();
  await vi.waitFor(isWaiting, { timeout: 20_000, interval: 20 });
  ending.abort();
  await refused;

  const made = operator.make([change]);
  made.catch(() => {});
  await vi.waitFor(isWaiting, { timeout: 20_000, interval: 20 });
  expect(await other.make([change])).toEqual([]);
  const { claims, refused: lost } = await workUntilFinished(run.worker());
  expect([claims.length, lost]).toEqual([50, []]);
  await installation.operator.migrate(never);
  await isWaiting();
  await reader.query('commit');
  expect(await made).toEqual(['index']);
  expect(await indexOf(installation, 'lane_by_source')).toEqual({ valid: true, unique: false });
});
