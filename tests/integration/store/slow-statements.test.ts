// Which statements took the most time, on a server that counts them, one that could, and one that does not.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { tablesLines } from '../../../operator/tables.ts';
import { POSTGRES_VERSIONS, type PostgresServer, startPostgres } from '../../support/postgres.ts';
import { type Installation, install, never, SCHEMA } from './fixture.ts';

const COUNTING = { shared_preload_libraries: 'pg_stat_statements' };

describe.each(POSTGRES_VERSIONS)('PostgreSQL %i', (version) => {
  let counting: PostgresServer;
  let installation: Installation;

  beforeAll(async () => {
    counting = await startPostgres(version, { fsync: false, settings: COUNTING });
    installation = await install(counting);
  });
  afterAll(async () => {
    await installation?.[Symbol.asyncDispose]();
    await counting?.stop();
  });

  test('says how to count until the extension is created, and shows what took the most time from then on', async () => {
    const { operator, admin } = installation;
    const before = await operator.reviewTables(never);
    expect(before.statements).toEqual({ state: 'NotCreated', slowest: [] });
    expect(tablesLines(before, false).at(-1)).toContain('as a superuser in this database: create extension');
    await admin.query('create extension pg_stat_statements schema public');
    for (const seconds of [0.6, 0.9]) await admin.query('select pg_sleep($1)', [seconds]);
    const { statements, ...rest } = await operator.reviewTables(never);
    expect(statements.state).toBe('Counted');
    expect(statements.slowest.length).toBeLessThanOrEqual(20);
    const totals = statements.slowest.map(({ totalSeconds }) => totalSeconds);
    expect(totals).toEqual(totals.toSorted((a, b) => b - a));
    const [slept] = statements.slowest;
    // Of another role: what it says is not shown, and how to see it is told.
    expect(slept).toMatchObject({ role: 'postgres', calls: 2, rows: 2, query: '<insufficient privilege>' });
    expect(slept?.totalSeconds).toBeGreaterThanOrEqual(1.4);
    expect(slept?.maxMs).toBeGreaterThanOrEqual(890);
    expect(slept?.meanMs).toBeLessThan(slept?.maxMs ?? 0);
    const lines = tablesLines({ ...rest, statements }, false);
    expect(lines.join('\n')).toMatch(/ROLE +CALLS +TOTAL +MEAN +LONGEST +ROWS +STATEMENT/);
    expect(lines.at(-1)).toContain('grant pg_read_all_stats to');
    const { rows } = await admin.query<{ owner: string }>(
      'select nspowner::regrole::text as owner from pg_namespace where nspname = $1',
      [SCHEMA],
    );
    await admin.query(`grant pg_read_all_stats to ${rows[0]?.owner}`);
    const [shown] = (await operator.reviewTables(never)).statements.slowest;
    expect(shown).toMatchObject({ role: 'postgres', calls: 2, query: 'select pg_sleep($1)' });
  });
});

test('a server that has the extension and does not count says what is missing', async () => {
  await using server = await startPostgres(18, { fsync: false });
  await using installation = await install(server);
  await installation.admin.query('create extension pg_stat_statements schema public');
  const review = await installation.operator.reviewTables(never);
  expect(review.statements).toEqual({ state: 'NotLoaded', slowest: [] });
  expect(tablesLines(review, false).at(-1)).toContain('shared_preload_libraries = pg_stat_statements');
});
