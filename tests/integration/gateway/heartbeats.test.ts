// Heartbeats that are written together: each worker's row and answer are as if it had been written alone.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { gatewayHeartbeats } from '../../support/gateway.ts';
import { POSTGRES_VERSIONS, type PostgresServer, startPostgres } from '../../support/postgres.ts';
import { FAST, heartbeat, type Installation, install, never, type TestRun } from '../store/fixture.ts';

describe.each(POSTGRES_VERSIONS)('on PostgreSQL %i', (version) => {
  let server: PostgresServer;
  let installation: Installation;

  beforeAll(async () => {
    server = await startPostgres(version, { settings: { track_functions: 'pl' } });
  });
  beforeEach(async () => {
    installation = await install(server);
    return () => installation[Symbol.asyncDispose]();
  });
  afterAll(async () => {
    await server?.stop();
  });

  function beater({ token }: TestRun) {
    const workerId = crypto.randomUUID();
    const store = gatewayHeartbeats({ gatewayUrl: installation.gatewayUrl, token, workerId });
    return { workerId, store, beat: (changes = {}) => store.beat({ ...heartbeat, ...changes }, never) };
  }
  type Beater = ReturnType<typeof beater>;

  const rowOf = async ({ workerId }: Beater) =>
    (
      await installation.admin.query(
        `select pod_name, pages_in_flight, current_url, lease_until > clock_timestamp() as is_leased,
           last_heartbeat_at > clock_timestamp() - interval '10 s' as is_fresh
         from worker where worker_id = $1`,
        [workerId],
      )
    ).rows[0];
  const callsOf = async (name: string) =>
    Number(
      (
        await installation.admin.query<{ calls: string }>(
          `select sum(calls) as calls from pg_stat_user_functions where funcname = $1`,
          [name],
        )
      ).rows[0]?.calls ?? 0,
    );
  /** What sessions have done reaches the statistics when they are idle for a second. */
  const untilCalled = async (name: string) => {
    for (;;) {
      const calls = await callsOf(name);
      if (calls > 0) return calls;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };

  it('writes what each worker says, in one statement for many runs', async () => {
    const runs = await Promise.all([1, 2, 3].map(() => installation.createRun(FAST)));
    const beaters = runs.flatMap((run) => [beater(run), beater(run)]);
    for (const { beat } of beaters) await beat();
    await installation.admin.query(`update worker set last_heartbeat_at = '2000-01-01', lease_until = null`);
    const answers = await Promise.all(
      beaters.map(({ beat }, n) =>
        beat({ pagesInFlight: n, podName: `pod-${n}`, currentUrl: `http://site.test/${n}` }),
      ),
    );
    expect(answers).toEqual(beaters.map(() => ({ finished: false, liveVersion: 0 })));
    for (const [n, one] of beaters.entries()) {
      expect(await rowOf(one)).toEqual({
        ...{ pod_name: `pod-${n}`, pages_in_flight: n, current_url: `http://site.test/${n}` },
        ...{ is_leased: true, is_fresh: true },
      });
    }
    expect(await untilCalled('write_heartbeats')).toBeLessThanOrEqual(2);
    await Promise.all(beaters.map(({ store }) => store.close()));
  });

  it('gives each the answer of its own run, new, stopped, finished or refused', async () => {
    const { operator, createRun } = installation;
    const [going, stopped, finished, revoked, fresh] = await Promise.all(
      Array.from({ length: 5 }, () => createRun(FAST)),
    );
    if (!going || !stopped || !finished || !revoked || !fresh) throw new Error('five runs were made');
    const beaters = [going, stopped, finished, revoked, fresh].map(beater);
    for (const { beat } of beaters.slice(0, 4)) await beat();
    await operator.requestStop(stopped.runId, 'Deadline', never);
    await finished.worker().seed([], never);
    await finished.worker().finish(never);
    await installation.admin.query(`update run_token set revoked_at = clock_timestamp() where run_id = $1`, [
      revoked.runId,
    ]);
    const answers = await Promise.allSettled(beaters.map(({ beat }) => beat()));
    expect(answers).toMatchObject([
      { status: 'fulfilled', value: { finished: false } },
      { status: 'fulfilled', value: { finished: false, stopReason: 'Deadline' } },
      { status: 'fulfilled', value: { finished: true } },
      { status: 'rejected', reason: { reason: 'TokenRefused' } },
      { status: 'fulfilled', value: { finished: false } },
    ]);
    expect(await rowOf(beaters[4] as Beater)).toMatchObject({ is_leased: true });
    await Promise.all(beaters.map(({ store }) => store.close()));
  });

  it('is not held up by a row that is locked', async () => {
    const run = await installation.createRun(FAST);
    const [held, ...others] = [beater(run), beater(run), beater(run)] as const;
    for (const { beat } of [held, ...others]) await beat();
    const holder = await installation.admin.connect();
    await holder.query('begin');
    await holder.query('select from worker where worker_id = $1 for update', [held.workerId]);
    let isAnswered = false;
    const late = held.beat().then(() => {
      isAnswered = true;
    });
    await Promise.all(others.map(({ beat }) => beat()));
    expect(isAnswered).toBe(false);
    await holder.query('commit');
    holder.release();
    await late;
    await Promise.all([held, ...others].map(({ store }) => store.close()));
  });
});
