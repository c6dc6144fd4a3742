// Claims that wait in the gateway: what wakes them, and that waiting costs the database next to nothing.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gatewayWorkerStore, startTestGateway, type TestGateway } from '../../support/gateway.ts';
import { type PostgresServer, startPostgres } from '../../support/postgres.ts';
import { claimSome, done, FAST, heartbeat, type Installation, install, never, SCHEMA, urls } from '../store/fixture.ts';

const WAIT_MS = 20_000;

let server: PostgresServer;
let installation: Installation;
let first: TestGateway;
let second: TestGateway;

beforeAll(async () => {
  server = await startPostgres(18, { settings: { track_functions: 'pl' } });
  installation = await install(server);
  first = await startTestGateway({ databaseUrl: installation.workerUrl, schema: SCHEMA });
  second = await startTestGateway({ databaseUrl: installation.workerUrl, schema: SCHEMA });
});
afterAll(async () => {
  await first?.[Symbol.asyncDispose]();
  await second?.[Symbol.asyncDispose]();
  await installation?.[Symbol.asyncDispose]();
  await server?.stop();
});

/** A run whose only page is leased by a worker, and others that wait for what is found there. */
async function runWithOnePage(spec: Parameters<Installation['createRun']>[0] = FAST) {
  const run = await installation.createRun(spec);
  const stores: { close(): Promise<void> }[] = [];
  const worker = (gateway: TestGateway, waitMs = WAIT_MS) => {
    const workerId = crypto.randomUUID();
    const store = gatewayWorkerStore({ gatewayUrl: gateway.url, token: run.token, workerId, waitMs });
    stores.push(store);
    return { ...store, workerId };
  };
  const busy = worker(first);
  await busy.seed(urls(1), never);
  const [claim] = await claimSome(busy, 1);
  if (claim === undefined) throw new Error('nothing was claimed');
  const close = async () => {
    for (const store of stores) await store.close();
  };
  return { run, worker, busy, claim, [Symbol.asyncDispose]: close };
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 5));
}

const waitingIn = async (gateway: TestGateway) => {
  const metrics = await gateway.registry.metrics();
  return Number(/^trawler_gateway_waiting_claims (\d+)$/m.exec(metrics)?.[1]);
};
const waits = (gateway: TestGateway, claims = 1) => until(async () => (await waitingIn(gateway)) === claims);

describe('a claim that waits', () => {
  it('is answered when a commit through the same gateway brings links', async () => {
    await using test = await runWithOnePage();
    const claimed = test.worker(first).claim(5, never);
    await waits(first);
    await test.busy.commit([done(test.claim, urls(3, { prefix: 'found', depth: 1 }))], never);
    expect(await claimed).toMatchObject({ state: 'Claimed', claims: { length: 3 } });
  });

  it('is answered when a commit through another gateway brings links', async () => {
    await using test = await runWithOnePage();
    const claimed = test.worker(second).claim(5, never);
    await waits(second);
    await test.busy.commit([done(test.claim, urls(3, { prefix: 'found', depth: 1 }))], never);
    expect(await claimed).toMatchObject({ state: 'Claimed', claims: { length: 3 } });
  });

  it('is one of many: those that there is work for are answered one after another', async () => {
    await using test = await runWithOnePage();
    const idle = Array.from({ length: 6 }, () => test.worker(first));
    const claimed = idle.map((worker) => worker.claim(2, never));
    await waits(first, 6);
    await test.busy.commit([done(test.claim, urls(12, { prefix: 'found', depth: 1 }))], never);
    for (const claim of await Promise.all(claimed))
      expect(claim).toMatchObject({ state: 'Claimed', claims: { length: 2 } });
  });

  it('is answered when the turn of its host comes', async () => {
    await using test = await runWithOnePage({ politeness: { requestsPerSecond: 1 } });
    await test.busy.commit([done(test.claim, urls(2, { prefix: 'found', depth: 1 }))], never);
    const worker = test.worker(first);
    const seen: number[] = [];
    for (let page = 0; page < 2; page++) {
      const result = await worker.claim(1, never);
      if (result.state !== 'Claimed') throw new Error(`not claimed: ${JSON.stringify(result)}`);
      seen.push(...result.claims.map(({ from }) => from));
      await worker.commit(
        result.claims.map((claim) => done(claim)),
        never,
      );
    }
    expect((seen[1] ?? 0) - (seen[0] ?? 0)).toBeGreaterThan(900);
  });

  it('is told when the run is stopped, and when it is finished', async () => {
    await using test = await runWithOnePage();
    const idle = [test.worker(first), test.worker(second)];
    const stopped = idle.map((worker) => worker.claim(1, never));
    await waits(first);
    await waits(second);
    await installation.operator.requestStop(test.run.runId, 'Stop', never);
    expect(await Promise.all(stopped)).toEqual(idle.map(() => ({ state: 'Stopping', reason: 'Stop' })));
  });

  it('is told at once when nothing is left, so that its worker can finish the run, and the others hear of that', async () => {
    await using test = await runWithOnePage();
    const idle = [test.worker(first), test.worker(second)];
    const waiting = idle.map((worker) => worker.claim(1, never));
    await waits(first);
    await waits(second);
    await test.busy.commit([done(test.claim)], never);
    for (const answer of await Promise.all(waiting)) expect(['Wait', 'Finished']).toContain(answer.state);
    expect(await test.busy.finish(never)).toBe(true);
    for (const worker of idle) expect(await worker.claim(1, never)).toEqual({ state: 'Finished' });
  });

  it('waits no longer than it may', async () => {
    await using test = await runWithOnePage();
    expect(await test.worker(first, 300).claim(1, never)).toMatchObject({ state: 'Wait' });
  });

  it('comes back for the pages of a worker that died', async () => {
    await using test = await runWithOnePage(FAST);
    const idle = test.worker(second);
    await test.run.heartbeats(idle.workerId).beat(heartbeat, never);
    const claimed = idle.claim(1, never);
    await waits(second);
    await installation.admin.query(
      `update worker set lease_until = case when worker_id = $1 then lease_until else now() - interval '1 s' end,
         steady_since = now() - interval '1 day' where run_id = $2`,
      [idle.workerId, test.run.runId],
    );
    expect(await claimed).toMatchObject({ state: 'Claimed', claims: [{ url: test.claim.url, attempt: 1 }] });
  });

  it('is gone with its worker, and nothing is leased to it', async () => {
    await using test = await runWithOnePage();
    const leaving = new AbortController();
    const gone = test.worker(first).claim(1, leaving.signal);
    await waits(first);
    leaving.abort(new Error('stopping'));
    await expect(gone).rejects.toThrow('stopping');
    await waits(first, 0);
    await test.busy.commit([done(test.claim, urls(1, { prefix: 'found', depth: 1 }))], never);
    expect(await claimSome(test.busy, 1)).toHaveLength(1);
  });

  it('is answered when its gateway ends, and goes on at another', async () => {
    await using test = await runWithOnePage();
    const ending = await startTestGateway({ databaseUrl: installation.workerUrl, schema: SCHEMA });
    const worker = test.worker(ending);
    const waiting = worker.claim(1, never);
    await waits(ending);
    await ending.gateway.close(10_000);
    expect(await waiting).toMatchObject({ state: 'Wait' });
    await expect(worker.claim(1, never)).rejects.toMatchObject({ reason: 'Unavailable' });
  });
});

describe('workers that wait', () => {
  it('cost a look for all of them at a time, which writes nothing', async () => {
    const runs = await Promise.all(Array.from({ length: 10 }, () => runWithOnePage()));
    for (const { busy, run } of runs) await run.heartbeats(busy.workerId).beat(heartbeat, never);
    const idle = runs.flatMap((test) => Array.from({ length: 5 }, () => test.worker(first)));
    const ended = new AbortController();
    const claims = idle.map((worker) => worker.claim(1, ended.signal));
    for (const claim of claims) claim.catch(() => {});
    await waits(first, 50);
    // The last tries after the first looks.
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    const before = await activity();
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    const after = await activity();
    ended.abort(new Error('over'));
    await Promise.allSettled(claims);
    for (const test of runs) await test[Symbol.asyncDispose]();
    expect(after.calls - before.calls).toBe(0);
    expect(after.looks - before.looks).toBeGreaterThan(0);
    // One at a time, every 100 ms at most.
    expect(after.looks - before.looks).toBeLessThanOrEqual(21);
    expect(after.xid).toBe(before.xid);
  });

  /** Calls of claim_requests, looks, and the next transaction id. */
  async function activity() {
    const { rows } = await installation.admin.query<{ name: string; calls: number }>(
      `select funcname as name, calls::int from pg_stat_user_functions where funcname in ('claim_requests', 'run_outlooks')`,
    );
    const calls = (name: string) => rows.find((row) => row.name === name)?.calls ?? 0;
    const { rows: ids } = await installation.admin.query<{ xid: string }>(
      'select pg_snapshot_xmax(pg_current_snapshot())::text as xid',
    );
    return { calls: calls('claim_requests'), looks: calls('run_outlooks'), xid: ids[0]?.xid };
  }
});
