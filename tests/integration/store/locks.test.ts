// Calls that lock the same rows lock them in the same order, and who comes back first after an outage takes nothing away.
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { testClient } from '../../support/database-connections.ts';
import { gatewayWorkerStore, startTestGateway } from '../../support/gateway.ts';
import { type PostgresServer, startPostgres } from '../../support/postgres.ts';
import { claimSome, done, FAST, heartbeat, type Installation, install, never, SCHEMA, urls } from './fixture.ts';

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres(15, { fsync: false });
});
afterAll(() => server.stop());

/** Resolves when so many sessions wait for a lock. */
async function untilWaiting({ admin }: Installation, sessions: number): Promise<void> {
  await vi.waitFor(
    async () => {
      const { rows } = await admin.query<{ n: number }>(
        `select count(*)::int as n from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`,
      );
      expect(rows[0]?.n).toBe(sessions);
    },
    { timeout: 10_000, interval: 10 },
  );
}

test('a first heartbeat and the end of its run, both waiting for the worker, never wait for each other', async () => {
  await using installation = await install(server);
  const run = await installation.createRun(FAST);
  const worker = run.worker();
  await worker.seed(urls(3), never);
  await claimSome(worker, 1);
  const holder = testClient(installation.database.superuserUrl, { schema: SCHEMA });
  await holder.connect();
  await holder.query('begin');
  await holder.query('select from worker for update');
  const beat = run.heartbeats(worker.workerId).beat(heartbeat, never);
  await untilWaiting(installation, 1);
  const end = installation.operator.finishStopped(run.runId, 'Stopped', 'for the test', never);
  await untilWaiting(installation, 2);
  await holder.query('commit');
  await holder.end();
  expect(await beat).toMatchObject({ finished: false });
  expect(await end).toBe(true);
});

test('heartbeats, claims and commits of a run that is ended meanwhile meet no deadlock', async () => {
  await using installation = await install(server);
  for (let round = 0; round < 8; round++) {
    const run = await installation.createRun(FAST);
    const workers = [run.worker(), run.worker(), run.worker()];
    await workers[0]?.seed(urls(60, { hosts: 6 }), never);
    const ended = new AbortController();
    const failures: unknown[] = [];
    const work = workers.map(async (worker) => {
      const beats = run.heartbeats(worker.workerId);
      while (!ended.signal.aborted) {
        const result = await worker.claim(5, never);
        if (result.state === 'Claimed')
          await Promise.all([
            worker.commit(
              result.claims.map((claim) => done(claim)),
              never,
            ),
            beats.beat(heartbeat, never),
          ]);
      }
    });
    const settled = work.map((one) => one.catch((error: unknown) => failures.push(error)));
    await run.worker().claim(1, never); // one that comes late
    expect(await installation.operator.finishStopped(run.runId, 'Stopped', 'for the test', never)).toBe(true);
    ended.abort();
    await Promise.all(settled);
    for (const failure of failures) expect(failure).toMatchObject({ reason: 'TokenRefused' });
  }
});

test('who is first after an outage that outlasted all leases requeues nothing that a living worker holds', async () => {
  await using installation = await install(server);
  const run = await installation.createRun(FAST);
  const [first, second] = [run.worker(), run.worker()];
  await first.seed(urls(6), never);
  const beats = [run.heartbeats(first.workerId), run.heartbeats(second.workerId)];
  for (const one of beats) await one.beat(heartbeat, never);
  await claimSome(first, 2);
  const held = await claimSome(second, 4);
  // Nobody could say anything for an hour, and leases last a minute.
  await installation.admin.query(
    `update worker set last_heartbeat_at = now() - interval '1 hour', lease_until = now() - interval '59 minutes',
       steady_since = now() - interval '2 hours'`,
  );
  await beats[0]?.beat(heartbeat, never);
  for (let look = 0; look < 3; look++) expect(await first.claim(5, never)).toMatchObject({ state: 'Wait' });
  expect(await installation.operator.reapExpired(never)).toBe(0);
  await beats[1]?.beat(heartbeat, never);
  const ours = await second.commit(
    held.map((claim) => done(claim)),
    never,
  );
  expect(ours.size).toBe(held.length);
});

test('claims and commits that a worker sends at the same time, by several connections, meet no deadlock', async () => {
  await using installation = await install(server);
  await using gateway = await startTestGateway({ databaseUrl: installation.workerUrl, schema: SCHEMA });
  const run = await installation.createRun({ ...FAST, limits: { maxPages: 2_000 } });
  const worker = gatewayWorkerStore({ gatewayUrl: gateway.url, token: run.token, workerId: randomUUID() });
  await worker.seed(urls(40, { hosts: 4 }), never);
  let ends = 0;
  const commits: Promise<unknown>[] = [];
  const failures: unknown[] = [];
  while (ends < 1_200) {
    const claims = await claimSome(worker, 5);
    ends += claims.length;
    // Each page leads to two more: a commit counts, and changes the lanes that claims take.
    const links = (page: number) => urls(2, { hosts: 4, prefix: `found-${page}`, depth: 1 });
    const outcomes = claims.map((claim, index) => done(claim, links(ends + index)));
    commits.push(worker.commit(outcomes, never).catch((error: unknown) => failures.push(error)));
  }
  await Promise.all(commits);
  await worker.close();
  expect(failures).toEqual([]);
  const { rows } = await installation.admin.query<{ deadlocks: number }>(
    'select deadlocks::int as deadlocks from pg_stat_database where datname = current_database()',
  );
  expect(rows).toEqual([{ deadlocks: 0 }]);
});
