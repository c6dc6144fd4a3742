// What a worker's login and token allow: its own run, through the functions that are meant for it, and nothing else.
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SERVER_FUNCTIONS, WORKER_FUNCTIONS } from '#src/store/functions.ts';
import { createOperatorStore } from '#src/store/postgres-operator-store.ts';
import { createLogger } from '#src/telemetry/logger.ts';
import { testClient, testPool } from '../../support/database-connections.ts';
import { databaseWorkerStore } from '../../support/gateway.ts';
import { POSTGRES_VERSIONS, type PostgresServer, startPostgres } from '../../support/postgres.ts';
import {
  claimSome,
  done,
  FAST,
  heartbeat,
  type Installation,
  install,
  never,
  SCHEMA,
  type TestRun,
  urls,
} from './fixture.ts';

const logger = createLogger('test', 'fatal');

interface FunctionRights {
  readonly call: string;
  readonly allowed: boolean;
  readonly of_owner: boolean;
  readonly config: readonly string[] | null;
}

describe.each(POSTGRES_VERSIONS)('rights on PostgreSQL %i', (version) => {
  let server: PostgresServer;
  let installation: Installation;
  let mine: TestRun;
  let other: TestRun;
  let login: pg.Pool;

  /** A run with something in every table that belongs to a run. */
  async function populate(namespace: string): Promise<TestRun> {
    const run = await installation.createRun(FAST, { namespace });
    const worker = run.worker();
    await worker.seed(urls(4), never);
    await run.heartbeats(worker.workerId).beat(heartbeat, never);
    await worker.writeRobots('site.test', { verdict: 'rules', body: `# ${namespace}` }, never);
    const [claim] = await claimSome(worker, 1);
    if (claim) await worker.commit([done(claim)], never);
    await claimSome(worker, 1);
    return run;
  }

  /** As the workers' login, in a transaction with this token; always rolled back. */
  async function asWorker(token: string | undefined, text: string, values: unknown[] = []): Promise<pg.QueryResult> {
    const client = await login.connect();
    try {
      await client.query('begin');
      if (token !== undefined) await client.query(`select set_config('trawler.token', $1, true)`, [token]);
      return await client.query(text, values);
    } finally {
      await client.query('rollback');
      client.release();
    }
  }

  beforeAll(async () => {
    server = await startPostgres(version);
    installation = await install(server);
    mine = await populate('mine');
    other = await populate('other');
    login = testPool(installation.workerUrl, { max: 2 });
  });
  afterAll(async () => {
    await login.end();
    await installation[Symbol.asyncDispose]();
    await server.stop();
  });

  async function tables(): Promise<string[]> {
    const { rows } = await installation.admin.query<{ name: string }>(
      `select relname as name from pg_class where relnamespace = '${SCHEMA}'::regnamespace and relkind in ('r', 'p') order by 1`,
    );
    return rows.map((row) => row.name);
  }

  it.each([
    { kind: 'no token', token: () => undefined },
    { kind: 'the token of a run', token: () => mine.token },
  ])('lets a worker read no table with $kind', async ({ token }) => {
    for (const table of await tables()) {
      await expect(asWorker(token(), `select from ${SCHEMA}.${table}`), table).rejects.toMatchObject({ code: '42501' });
    }
  });

  it('takes the tables from workers of before the gateway when the last of their runs has ended', async () => {
    await using upgraded = await install(server);
    const { admin, operator } = upgraded;
    await upgraded.createRun(FAST);
    await admin.query(`update run set accepted_at = accepted_at - interval '1 hour'`);
    const group = `${new URL(upgraded.workerUrl).username.replace(/_gateway$/, '')}_workers`;
    await admin.query(`grant select on run, run_spec, source, request, item to ${group}`);
    const readsTables = async () => {
      const { rows } = await admin.query<{ table: string }>(
        `select relname as table from pg_class
         where relnamespace = '${SCHEMA}'::regnamespace and relkind in ('r', 'p') and has_table_privilege($1, oid, 'select')
         order by 1`,
        [new URL(upgraded.workerUrl).username],
      );
      return rows.map(({ table }) => table);
    };
    await operator.migrate(never);
    expect(await readsTables()).toEqual(['item', 'request', 'run', 'run_spec', 'source']);
    await admin.query('update run set finished_at = clock_timestamp(), outcome = $1', ['Stopped']);
    await operator.migrate(never);
    expect(await readsTables()).toEqual([]);
  });

  it('lets a worker write to no table at all', async () => {
    for (const table of await tables()) {
      for (const text of [
        `insert into ${SCHEMA}.${table} default values`,
        `delete from ${SCHEMA}.${table}`,
        `truncate ${SCHEMA}.${table}`,
        `select * from ${SCHEMA}.${table} for update`,
        `lock table ${SCHEMA}.${table} in exclusive mode`,
      ]) {
        await expect(asWorker(mine.token, text), text).rejects.toMatchObject({ code: '42501' });
      }
    }
    await expect(asWorker(mine.token, `select nextval('${SCHEMA}.item_id_seq')`)).rejects.toMatchObject({
      code: '42501',
    });
    await expect(asWorker(mine.token, 'create temporary table filler (a int)')).rejects.toMatchObject({
      code: '42501',
    });
  });

  it('keeps row-level security on every table with a run or a host in it', async () => {
    const { rows } = await installation.admin.query(
      `select relname from pg_class
       where relnamespace = '${SCHEMA}'::regnamespace and relkind in ('r', 'p') and not relrowsecurity order by 1`,
    );
    expect(rows.map((row) => row.relname)).toEqual(['function_set', 'kysely_migration', 'kysely_migration_lock']);
  });

  /** All functions, and which of them the login of this URL may call. */
  async function functionsOf(loginUrl: string) {
    const { rows } = await installation.admin.query<FunctionRights>(
      `select format('%s(%s)', proname, pg_get_function_identity_arguments(oid)) as call,
         has_function_privilege($1, oid, 'execute') as allowed, prosecdef as of_owner, proconfig as config
       from pg_proc where pronamespace = '${SCHEMA}'::regnamespace order by 1`,
      [new URL(loginUrl).username],
    );
    return rows;
  }
  const names = (calls: readonly string[]) => calls.map((call) => call.replace(/\(.*/, '')).sort();

  it('lets the API server call the functions that are its alone and no other', async () => {
    const rows = await functionsOf(await installation.operator.serverDatabaseUrl(never));
    expect(names(rows.filter((row) => row.allowed).map((row) => row.call))).toEqual(names(SERVER_FUNCTIONS));
  });

  it('lets a worker call the functions meant for it and no other, all with a fixed search path', async () => {
    const rows = await functionsOf(installation.workerUrl);
    expect(names(rows.filter((row) => row.allowed).map((row) => row.call))).toEqual(names(WORKER_FUNCTIONS));
    // What these call has their search path. A small function without one of its own is put in the place of its call.
    const withRightsOfOwner = rows.filter((row) => row.allowed || row.of_owner);
    for (const row of withRightsOfOwner) {
      expect(row.config ?? [], row.call).toContainEqual(expect.stringMatching(/^search_path=trawler, ?pg_temp$/));
    }
  });

  it.each(['wrong', ''])('refuses every function with the token "%s"', async (token) => {
    const id = '00000000-0000-4000-8000-000000000001';
    for (const [text, values] of [
      ['claim_requests($1, $2, 1, 0, 0, null)', [token, id]],
      [`commit_outcomes($1, $2, '[]', null)`, [token, id]],
      [`seed_frontier($1, $2, '[]')`, [token, id]],
      ['recall_page($1, $2)', [token, id]],
      [`add_links($1, $2, $2, $2, '[]')`, [token, id]],
      ['finish_run($1)', [token]],
      [`write_heartbeat($1, $2, '{}')`, [token, id]],
      [`reserve_host($1, 'site.test', 0)`, [token]],
      [`defer_host($1, 'site.test', 1)`, [token]],
      [`read_robots($1, 'site.test')`, [token]],
      [`write_robots($1, 'site.test', 'allow', null, 0)`, [token]],
      [`read_host_rendering($1, 'site.test')`, [token]],
      [`learn_host_rendering($1, 'site.test', true)`, [token]],
    ] as const) {
      await expect(asWorker(mine.token, `select ${SCHEMA}.${text}`, [...values]), text).rejects.toMatchObject({
        code: 'TR001',
      });
    }
  });

  /** Everything of a run, as text, to see whether anything changed. */
  async function everythingOf(run: TestRun): Promise<string> {
    let all = '';
    for (const table of ['run', 'run_spec', 'source', 'worker', 'progress', 'lane', 'request', 'item']) {
      const { rows } = await installation.admin.query(
        `select t::text from ${table} t where run_id = '${run.runId}' order by 1`,
      );
      all += rows.map((row) => `${table} ${row.t}\n`).join('');
    }
    const { rows } = await installation.admin.query(
      `select h::text, r::text from host h join robots r using (host_id) where scope = 'other'`,
    );
    return all + JSON.stringify(rows);
  }

  it('changes nothing of another run, whatever a worker names: its requests, leases, worker or hosts', async () => {
    const { rows: leased } = await installation.admin.query(
      `select url_key, lease_token, leased_by, url from request where run_id = $1 and state = 'leased'`,
      [other.runId],
    );
    const [foreign] = leased;
    const before = await everythingOf(other);
    const spy = databaseWorkerStore({
      databaseUrl: installation.workerUrl,
      schema: SCHEMA,
      token: mine.token,
      workerId: foreign.leased_by,
    });
    expect(await spy.loadRun(never)).toMatchObject({ runId: mine.runId });
    const claim = {
      requestId: foreign.url_key,
      leaseToken: foreign.lease_token,
      source: 'site',
      url: foreign.url,
      host: 'site.test',
      depth: 0,
      attempt: 1,
      from: 0,
    };
    expect(await spy.commit([done(claim, urls(3, { prefix: 'foreign' }))], never)).toEqual(new Set());
    await spy.seed(urls(3, { prefix: 'foreign' }), never);
    const claimed = await claimSome(spy, 2);
    expect(claimed.map((one) => one.url).filter((url) => url.includes('foreign'))).toEqual([]);
    await mine.heartbeats(foreign.leased_by).beat({ ...heartbeat, podName: 'foreign' }, never);
    await spy.deferHost('site.test', 1_000, never);
    await spy.reserveHost('site.test', never);
    expect(await spy.readRobots('site.test', never)).toMatchObject({ body: '# mine' });
    await spy.writeRobots('site.test', { verdict: 'disallow' }, never);
    await spy.finish(never);
    await spy.close();
    expect(await everythingOf(other)).toBe(before);
  });

  it('cannot create or change objects', async () => {
    for (const text of [
      `create table ${SCHEMA}.mine (a int)`,
      'create table public.mine (a int)',
      'create schema mine',
      `create function ${SCHEMA}.current_run() returns uuid language sql as 'select null::uuid'`,
      `alter table ${SCHEMA}.run disable row level security`,
      `drop policy own_run on ${SCHEMA}.run`,
      `alter role current_user superuser`,
      `set role ${installation.database.name}`,
    ]) {
      await expect(asWorker(mine.token, text), text).rejects.toMatchObject({ code: '42501' });
    }
  });

  it('bounds the connections and statements of the gateway', async () => {
    const { rows } = await installation.admin.query('select rolconnlimit, rolconfig from pg_roles where rolname = $1', [
      new URL(installation.workerUrl).username,
    ]);
    expect(rows[0].rolconnlimit).toBe(200);
    expect(rows[0].rolconfig).toEqual(
      expect.arrayContaining(['statement_timeout=30s', 'lock_timeout=20s', 'idle_in_transaction_session_timeout=60s']),
    );
  });

  it('cuts a run off when its token is revoked, and only that run', async () => {
    const revoked = await populate('revoked');
    await installation.operator.revokeToken(revoked.runId, never);
    const worker = revoked.worker();
    await expect(worker.loadRun(never)).rejects.toMatchObject({ reason: 'TokenRefused' });
    await expect(worker.claim(1, never)).rejects.toMatchObject({ reason: 'TokenRefused' });
    await expect(revoked.heartbeats(worker.workerId).beat(heartbeat, never)).rejects.toMatchObject({
      reason: 'TokenRefused',
    });
    await expect(mine.worker().loadRun(never)).resolves.toMatchObject({ runId: mine.runId });
  });

  describe('without the right to create roles', () => {
    it('says which SQL to run, and works with the login that it makes', async () => {
      const database = await server.createDatabase({ createRole: false });
      const refused = createOperatorStore({ databaseUrl: database.ownerUrl, schema: SCHEMA, logger });
      const error = await refused.migrate(never).catch((reason: unknown) => reason);
      await refused.close();
      expect(error).toMatchObject({ reason: 'GatewayLoginMissing' });
      const sql = String(error)
        .split('\n')
        .filter((line) => line.endsWith(';'))
        .join('\n')
        .replace('choose a password', 'chosen');
      const admin = testClient(database.superuserUrl);
      await admin.connect();
      await admin.query(sql);
      await admin.end();

      const [, role] = /create role "(.+)" login;/.exec(sql) ?? [];
      const gatewayDatabaseUrl = `postgresql://${role}:chosen@${server.host}:${server.port}/${database.name}`;
      const operator = createOperatorStore({
        databaseUrl: database.ownerUrl,
        gatewayDatabaseUrl,
        schema: SCHEMA,
        logger,
      });
      await operator.migrate(never);
      expect(await operator.gatewayDatabaseUrl(never)).toBe(gatewayDatabaseUrl);
      await operator.close();
      const worker = testClient(gatewayDatabaseUrl);
      await worker.connect();
      const spec = await worker.query(`select ${SCHEMA}.load_run('no token')`).catch((error: unknown) => error);
      expect(spec).toMatchObject({ code: 'TR001' });
      await expect(worker.query(`select from ${SCHEMA}.run`)).rejects.toMatchObject({ code: '42501' });
      await worker.end();
    });

    it('refuses to give pods a login that sees every run', async () => {
      const database = await server.createDatabase();
      for (const gatewayDatabaseUrl of [database.ownerUrl, database.superuserUrl]) {
        const operator = createOperatorStore({
          databaseUrl: database.ownerUrl,
          gatewayDatabaseUrl,
          schema: SCHEMA,
          logger,
        });
        await expect(operator.migrate(never)).rejects.toMatchObject({
          reason: 'GatewayLoginMissing',
          message: expect.stringContaining('would see every run'),
        });
        await operator.close();
      }
    });
  });
});
