// The operator's side on real PostgreSQL: schema, runs, what their status mirrors, and errors a caller can act on.
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { crawlRunSpec } from '#src/resources/crawl-run.ts';
import { createOperatorStore } from '#src/store/postgres-operator-store.ts';
import { createToken, hashToken } from '#src/store/run-token.ts';
import { createLogger } from '#src/telemetry/logger.ts';
import { testClient } from '../../support/database-connections.ts';
import { databaseWorkerStore } from '../../support/gateway.ts';
import { POSTGRES_VERSIONS, type PostgresServer, startPostgres } from '../../support/postgres.ts';
import { claimSome, done, FAST, heartbeat, install, never, RUN_DAY, urls, workUntilFinished } from './fixture.ts';

const logger = createLogger('test', 'fatal');

async function untilAvailable(call: () => Promise<unknown>): Promise<void> {
  for (let tries = 0; tries < 10; tries += 1) {
    try {
      await call();
      return;
    } catch (error) {
      expect(error).toMatchObject({ reason: 'Unavailable' });
    }
  }
  throw new Error('Postgres did not come back');
}

describe.each(POSTGRES_VERSIONS)('operator store on PostgreSQL %i', (version) => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startPostgres(version);
  });
  afterAll(() => server.stop());

  describe('migrate', () => {
    it('may be called by several replicas at once, and again', async () => {
      const database = await server.createDatabase();
      const replicas = Array.from({ length: 3 }, () =>
        createOperatorStore({ databaseUrl: database.ownerUrl, schema: 'trawler', logger }),
      );
      await Promise.all(replicas.map((replica) => replica.migrate(never)));
      await Promise.all(replicas.map((replica) => replica.migrate(never)));
      const [first, ...others] = await Promise.all(replicas.map((replica) => replica.gatewayDatabaseUrl(never)));
      expect(others).toEqual([first, first]);
      const worker = testClient(first ?? '');
      await worker.connect();
      await worker.end();
      for (const replica of replicas) await replica.close();
    });

    it('keeps the logins that workers of earlier releases had until the last of their runs has ended', async () => {
      await using installation = await install(server);
      const { operator, admin, workerUrl: gatewayUrl } = installation;
      const prefix = new URL(gatewayUrl).username.replace(/_gateway$/, '');
      const [former, group] = [`${prefix}_worker_a`, `${prefix}_workers`];
      const exists = async () => {
        const { rows } = await admin.query('select from pg_roles where rolname = $1', [former]);
        return rows.length > 0;
      };
      const before = await installation.createRun(FAST);
      const owner = testClient(installation.database.ownerUrl);
      await owner.connect();
      await owner.query(`create role ${former} login password 'secret'; grant ${group} to ${former}`);
      await owner.end();
      await admin.query(`insert into worker_login (role_name, password) values ($1, 'secret')`, [former]);
      await admin.query(`update worker_login set created_at = clock_timestamp() where role_name <> $1`, [former]);
      const after = await installation.createRun(FAST);

      await operator.migrate(never);
      const url = new URL(gatewayUrl);
      [url.username, url.password] = [former, 'secret'];
      const worker = testClient(url.href);
      await worker.connect();
      await worker.query('select trawler.function_versions()');
      await worker.end();

      await operator.finishStopped(before.runId, 'Stopped', 'over', never);
      await operator.migrate(never);
      expect(await exists()).toBe(false);
      expect((await admin.query('select from worker_login where role_name = $1', [former])).rowCount).toBe(0);
      await operator.finishStopped(after.runId, 'Stopped', 'over', never);
    });

    it('gives the login of the gateway the connections that it may have, also when that changes', async () => {
      const database = await server.createDatabase();
      const admin = testClient(database.superuserUrl);
      await admin.connect();
      const urls = [];
      for (const gatewayConnections of [88, 132]) {
        const operator = createOperatorStore({
          ...{ databaseUrl: database.ownerUrl, schema: 'trawler', logger },
          gatewayConnections,
        });
        await operator.migrate(never);
        urls.push(await operator.gatewayDatabaseUrl(never));
        await operator.close();
        const login = new URL(urls.at(-1) ?? '').username;
        const { rows } = await admin.query('select rolconnlimit from pg_roles where rolname = $1', [login]);
        expect(rows).toEqual([{ rolconnlimit: gatewayConnections }]);
      }
      expect(urls[1]).toBe(urls[0]);
      await admin.end();
    });

    it('keeps two installs in one database apart', async () => {
      const database = await server.createDatabase();
      const admin = testClient(database.superuserUrl);
      await admin.connect();
      const installs = ['one', 'two'].map((schema) =>
        createOperatorStore({ databaseUrl: database.ownerUrl, schema, logger }),
      );
      for (const operator of installs) await operator.migrate(never);
      const [one, two] = await Promise.all(installs.map((operator) => operator.gatewayDatabaseUrl(never)));
      const worker = testClient(one ?? '');
      await worker.connect();
      expect((await worker.query('select from one.function_versions()')).rowCount).toBe(1);
      await expect(worker.query('select from two.function_versions()')).rejects.toMatchObject({ code: '42501' });
      expect(new URL(one ?? '').username).not.toBe(new URL(two ?? '').username);
      await worker.end();
      await admin.end();
      for (const operator of installs) await operator.close();
    });

    it('gives pods the host that they reach, and brings the functions up to date', async () => {
      await using installation = await install(server, { gatewayDatabaseUrl: 'postgresql://db.example:6432/trawler' });
      const url = new URL(installation.workerUrl);
      expect([url.host, url.pathname]).toEqual(['db.example:6432', '/trawler']);
      expect(url.password).not.toBe('');
      await installation.admin.query(`update function_set set checksum = 'older'`);
      await installation.admin.query('drop function finish_run(text)');
      await installation.operator.migrate(never);
      const { rows } = await installation.admin.query(
        `select to_regprocedure('finish_run(text)') is not null as there`,
      );
      expect(rows).toEqual([{ there: true }]);
      expect(await installation.operator.gatewayDatabaseUrl(never)).toBe(installation.workerUrl);
    });

    it('refuses a schema name that would need quoting', () => {
      expect(() => createOperatorStore({ databaseUrl: 'postgresql://x/y', schema: 'Tra"wler', logger })).toThrow(
        'cannot be the database schema',
      );
    });
  });

  describe('acceptRun', () => {
    const accepted = (runId: string, token: string) => ({
      runId,
      runDay: RUN_DAY,
      namespace: 'default',
      name: 'run',
      specVersion: 1,
      spec: crawlRunSpec.parse({
        sources: [
          { name: 'a', urls: ['http://a.test/'] },
          { name: 'b', active: false, urls: ['http://b.test/'], limits: { maxPages: 5 } },
        ],
      }),
      tokenHash: hashToken(token),
    });

    it('stores a run once, adds the token of a Secret made anew, and none to a finished run', async () => {
      await using installation = await install(server);
      const { operator, workerUrl: databaseUrl } = installation;
      const runId = randomUUID();
      const tokens = [createToken(), createToken(), createToken()];
      const [first = '', second = '', late = ''] = tokens;
      const both = await Promise.all([1, 2].map(() => operator.acceptRun(accepted(runId, first), never)));
      expect(both.sort()).toEqual(['Created', 'Existing']);
      expect(await operator.acceptRun(accepted(runId, second), never)).toBe('Existing');
      for (const token of [first, second]) {
        const worker = databaseWorkerStore({ databaseUrl, schema: 'trawler', token, workerId: randomUUID() });
        const assignment = await worker.loadRun(never);
        expect(assignment).toMatchObject({ runId, name: 'run', namespace: 'default', specVersion: 1 });
        expect(assignment.spec).toEqual(accepted(runId, first).spec);
        await worker.close();
      }
      await operator.finishStopped(runId, 'Stopped', 'deleted', never);
      expect(await operator.acceptRun(accepted(runId, late), never)).toBe('Finished');
      const worker = databaseWorkerStore({ databaseUrl, schema: 'trawler', token: late, workerId: randomUUID() });
      await expect(worker.loadRun(never)).rejects.toMatchObject({ reason: 'TokenRefused' });
      await worker.close();
      const snapshot = (await operator.snapshots(never)).get(runId);
      expect(snapshot?.sources.map(({ name, active, result }) => ({ name, active, result }))).toEqual([
        { name: 'a', active: true, result: 'Stopped' },
        { name: 'b', active: false, result: 'Inactive' },
      ]);
    });

    it('makes room for the day, and drops days that hold no live run and are not to be kept', async () => {
      await using installation = await install(server);
      const { admin, operator } = installation;
      const old = await installation.createRun(FAST, { runDay: '2026-01-01' });
      const live = await installation.createRun(FAST, { runDay: '2026-01-02' });
      const kept = await installation.createRun(FAST, { runDay: '2026-01-03' });
      await operator.ensureDay('2026-02-01', never);
      const worker = old.worker();
      await worker.seed(urls(3), never);
      await worker.writeRobots('site.test', { verdict: 'allow' }, never);
      await workUntilFinished(worker, 3);
      await live.worker().seed(urls(3), never);
      await operator.finishStopped(kept.runId, 'Stopped', 'stopped', never);
      await admin.query(`update robots set fetched_at = '2026-01-01'`);

      expect(await operator.dropDaysBefore('2026-02-01', ['2026-01-03'], never)).toEqual(['2026-01-01']);
      const left = await operator.snapshots(never, [old.runId, live.runId, kept.runId]);
      expect([...left.keys()].sort()).toEqual([live.runId, kept.runId].sort());
      const { rows } = await admin.query('select distinct run_id from lane');
      expect(rows).toEqual([{ run_id: live.runId }]);
      expect((await admin.query('select from robots')).rows).toEqual([]);
      const days = await admin.query(
        `select right(relid::regclass::text, 8) as day from pg_partition_tree('item') where isleaf order by day`,
      );
      expect(days.rows.map(({ day }) => day)).toEqual(['20260102', '20260103', '20260201']);
      expect(await operator.dropDaysBefore('2026-02-01', ['2026-01-03'], never)).toEqual([]);
    });

    it("still knows a schedule's newest slot when its day was dropped, for a year", async () => {
      await using installation = await install(server);
      const { operator } = installation;
      const scheduleUid = randomUUID();
      for (const day of ['2026-01-01', '2026-01-02']) {
        const trigger = { type: 'Schedule', scheduledTime: `${day}T10:00:00Z` } as const;
        const { runId } = await installation.createRun({ trigger }, { runDay: day, scheduleUid });
        await operator.finishStopped(runId, 'Stopped', 'stopped', never);
      }
      expect(await operator.dropDaysBefore('2026-02-01', [], never)).toEqual(['2026-01-01', '2026-01-02']);
      const { rows } = await installation.admin.query('select run_day::text from run');
      expect(rows).toEqual([{ run_day: '2026-01-02' }]);
      expect(await operator.newestScheduledTimes(never)).toEqual(
        new Map([[scheduleUid, new Date('2026-01-02T10:00:00Z')]]),
      );
      await operator.dropDaysBefore('2027-02-01', [], never);
      expect(await operator.newestScheduledTimes(never)).toEqual(new Map());
    });
  });

  it('knows the newest scheduled time of each schedule', async () => {
    await using installation = await install(server);
    const scheduleUid = randomUUID();
    const { operator } = installation;
    expect(await operator.newestScheduledTimes(never)).toEqual(new Map());
    for (const scheduledTime of ['2026-11-22T10:00:00Z', '2026-11-22T12:00:00Z', '2026-11-22T11:00:00Z']) {
      await installation.createRun({ trigger: { type: 'Schedule', scheduledTime } }, { scheduleUid });
    }
    await installation.createRun({ trigger: { type: 'Manual' } }, { scheduleUid });
    const backfill = { type: 'Backfill', scheduledTime: '2026-11-22T13:00:00Z' } as const;
    await installation.createRun({ trigger: backfill }, { scheduleUid });
    expect(await operator.newestScheduledTimes(never)).toEqual(
      new Map([[scheduleUid, new Date('2026-11-22T12:00:00Z')]]),
    );
  });

  it('gives a run another mark after each of its steps and pages, and none when it has ended', async () => {
    await using installation = await install(server);
    const { operator } = installation;
    const run = await installation.createRun(FAST);
    const worker = run.worker();
    const heartbeats = run.heartbeats(worker.workerId);
    const mark = async () => (await operator.runMarks(never)).get(run.runId);
    const claims: Awaited<ReturnType<typeof claimSome>>[number][] = [];
    const steps: Record<string, () => Promise<unknown>> = {
      accepted: async () => undefined,
      'the first heartbeat': () => heartbeats.beat(heartbeat, never),
      seeded: () => worker.seed(urls(3), never),
      'a page': async () => {
        claims.push(...(await claimSome(worker, 3)));
        await worker.commit(
          claims.splice(0, 1).map((claim) => done(claim)),
          never,
        );
      },
      'another page': () =>
        worker.commit(
          claims.splice(0, 1).map((claim) => done(claim)),
          never,
        ),
      paused: () => operator.pauseRun(run.runId, never),
      'going on': () => operator.resumeRun(run.runId, never),
      'asked to stop': () => operator.requestStop(run.runId, 'Shutdown', never),
    };
    const marks = new Map<string, string>();
    for (const [step, take] of Object.entries(steps)) {
      await take();
      marks.set(step, (await mark()) ?? 'none');
      await heartbeats.beat(heartbeat, never);
      if (step !== 'accepted') expect(await mark(), step).toBe(marks.get(step));
    }
    const [, ...later] = [...marks];
    for (const [n, [step, after]] of later.entries()) expect(after, step).not.toBe([...marks.values()][n]);
    await operator.finishStopped(run.runId, 'Stopped', 'as asked', never);
    expect(await mark()).toBeUndefined();
  });

  it('counts of a pause what is after the first heartbeat, since no time runs before it', async () => {
    await using installation = await install(server);
    const { operator } = installation;
    const run = await installation.createRun(FAST);
    const pauseOneHour = async (isStarted: boolean) => {
      await operator.pauseRun(run.runId, never);
      if (isStarted) await run.heartbeats(run.worker().workerId).beat(heartbeat, never);
      await installation.admin.query(`update run set paused_at = paused_at - interval '1 h'`);
      await operator.resumeRun(run.runId, never);
      return ((await operator.snapshots(never)).get(run.runId)?.pausedMs ?? 0) / 60_000;
    };
    expect(await pauseOneHour(false)).toBe(0);
    // Its first heartbeat comes in the middle of it.
    expect(await pauseOneHour(true)).toBeLessThan(1);
    await installation.admin.query(`update run set started_at = started_at - interval '2 h'`);
    expect(await pauseOneHour(true)).toBeGreaterThanOrEqual(60);
  });

  it('shows a run as it goes: counters, workers, the first heartbeat, the last success', async () => {
    await using installation = await install(server);
    const { operator } = installation;
    const run = await installation.createRun({
      ...FAST,
      sources: [
        { name: 'a', urls: ['http://site.test/'] },
        { name: 'b', urls: ['http://site.test/'] },
      ],
    });
    const current = async () => (await operator.snapshots(never)).get(run.runId);
    expect(await current()).toMatchObject({ state: 'Accepted', seeded: false, workers: [], progress: { total: 0 } });
    expect(await operator.activeRuns(never)).toMatchObject([{ runId: run.runId, namespace: 'default' }]);

    const worker = run.worker();
    const heartbeats = run.heartbeats(worker.workerId);
    await heartbeats.beat({ ...heartbeat, state: 'Initialising' }, never);
    await worker.seed([...urls(4, { source: 'a', prefix: 'a' }), ...urls(2, { source: 'b', prefix: 'b' })], never);
    const [one, two, three] = await claimSome(worker, 3);
    if (!one || !two || !three) throw new Error('not three claims');
    await worker.commit(
      [
        { claim: one, type: 'done', items: [{ n: 1 }, { n: 2 }], links: [] },
        { claim: two, type: 'skipped', reason: 'RobotsDisallowed' },
      ],
      never,
    );
    await heartbeats.beat({ ...heartbeat, errors: 2 }, never);

    const snapshot = await current();
    expect(snapshot).toMatchObject({
      state: 'Running',
      seeded: true,
      progress: { total: 6, queued: 3, leased: 1, succeeded: 1, failed: 0, skipped: 1, items: 2 },
      errors: 2,
      skipReasons: { RobotsDisallowed: 1 },
      workers: [
        { workerId: worker.workerId, podName: 'pod-0', nodeName: 'node-0', state: 'Crawling', released: false },
      ],
    });
    expect(snapshot?.sources.map((source) => source.progress.total)).toEqual([4, 2]);
    expect(snapshot?.startedAt).toBeInstanceOf(Date);
    expect(snapshot?.lastSuccessAt).toBeInstanceOf(Date);
    expect(snapshot?.workers[0]?.lastHeartbeatAt.getTime()).toBeGreaterThan(
      snapshot?.workers[0]?.firstHeartbeatAt.getTime() ?? Number.POSITIVE_INFINITY,
    );

    const startedAt = snapshot?.startedAt;
    await heartbeats.beat(heartbeat, never);
    expect((await current())?.startedAt).toEqual(startedAt);
    await worker.commit([done(three)], never);
    await workUntilFinished(worker, 3);
    expect(await heartbeats.beat({ ...heartbeat, state: 'Completed' }, never)).toMatchObject({ finished: true });
    expect(await current()).toMatchObject({
      state: 'Finished',
      outcome: 'Succeeded',
      progress: { succeeded: 5, failed: 0, skipped: 1, queued: 0, items: 6 },
      workers: [{ state: 'Completed' }],
      sources: [{ result: 'Succeeded' }, { result: 'Succeeded' }],
    });
    expect(await operator.activeRuns(never)).toEqual([]);
    await installation.admin.query(`update run set finished_at = now() - interval '2 hours'`);
    expect(await current()).toBeUndefined();
    expect((await operator.snapshots(never, [run.runId])).size).toBe(1);
  });

  it('gives the first items in order', async () => {
    await using installation = await install(server);
    const run = await installation.createRun(FAST);
    const worker = run.worker();
    await worker.seed(urls(5), never);
    await workUntilFinished(worker, 1);
    const items = await installation.operator.firstItems(run.runId, 3, never);
    expect(items.map((item) => item.url)).toEqual([0, 1, 2].map((page) => `http://site.test/page${page}`));
  });

  it('says why it failed, in a way that a caller can act on', async () => {
    await using installation = await install(server);
    const url = new URL(installation.database.ownerUrl);
    url.password = 'wrong';
    const wrong = createOperatorStore({ databaseUrl: url.href, schema: 'trawler', logger });
    await expect(wrong.ping(never)).rejects.toMatchObject({ reason: 'LoginRefused' });
    await wrong.close();
    const empty = createOperatorStore({ databaseUrl: installation.database.ownerUrl, schema: 'empty', logger });
    await expect(empty.activeRuns(never)).rejects.toMatchObject({ reason: 'SchemaMismatch' });
    await empty.close();
    const nowhere = createOperatorStore({ databaseUrl: 'postgresql://a:b@127.0.0.1:1/c', schema: 'trawler', logger });
    await expect(nowhere.ping(never)).rejects.toMatchObject({ reason: 'Unavailable' });
    await nowhere.close();
  });

  it('comes back after the server crashed, with what was committed', async () => {
    await using crashing = await startPostgres(version);
    await using installation = await install(crashing);
    const run = await installation.createRun(FAST);
    const worker = run.worker();
    await worker.seed(urls(4), never);
    const [claim] = await claimSome(worker, 1);
    if (!claim) throw new Error('nothing claimed');
    await worker.commit([done(claim)], never);
    await crashing.crashAndRestart();
    // A connection from before the crash may fail once, as what a caller tries again.
    await untilAvailable(() => installation.operator.ping(never));
    await untilAvailable(() => worker.finish(never));
    const snapshot = (await installation.operator.snapshots(never)).get(run.runId);
    expect(snapshot?.progress).toMatchObject({ total: 4, queued: 3, succeeded: 1 });
    expect(await claimSome(worker, 5)).toHaveLength(3);
  });

  it('gives up at once when it is told to', async () => {
    await using installation = await install(server);
    const run = await installation.createRun(FAST);
    const worker = run.worker();
    await worker.seed(urls(2), never);
    const client = await installation.admin.connect();
    await client.query('begin');
    await client.query('lock table worker in exclusive mode');
    const abort = new AbortController();
    const claiming = worker.claim(1, abort.signal);
    abort.abort(new Error('stopping'));
    await expect(claiming).rejects.toThrow('stopping');
    await client.query('rollback');
    client.release();
    expect(await claimSome(worker, 2)).not.toHaveLength(0);
  });
});
