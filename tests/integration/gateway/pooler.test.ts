// Calls of workers are statements that PostgreSQL keeps for the connection; behind a pooler that forgets them they are made without.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createPool } from '#src/store/connection.ts';
import { createWorkerFunctions, runKeyOf } from '#src/store/worker-calls.ts';
import { gatewayWorkerStore, startTestGateway } from '../../support/gateway.ts';
import { startPgBouncer } from '../../support/pgbouncer.ts';
import { type PostgresServer, startPostgres } from '../../support/postgres.ts';
import { claimSome, done, FAST, type Installation, install, never, SCHEMA, urls } from '../store/fixture.ts';

let server: PostgresServer;
let installation: Installation;

beforeAll(async () => {
  server = await startPostgres(18);
  installation = await install(server);
});
afterAll(async () => {
  await installation?.[Symbol.asyncDispose]();
  await server?.stop();
});

describe('statements of calls', () => {
  it('are parsed once for a connection, whatever they are called with', async () => {
    const runs = await Promise.all([installation.createRun(FAST), installation.createRun(FAST)]);
    const pool = createPool({ databaseUrl: installation.workerUrl, applicationName: 'test', max: 1 });
    try {
      const { runOf, clock } = createWorkerFunctions(() => pool, SCHEMA);
      for (const { token, runId } of [...runs, ...runs]) {
        expect(await runOf(runKeyOf(token), never)).toMatchObject({ runId });
        await clock(never);
      }
      const { rows } = await pool.query(
        'select name, generic_plans + custom_plans as calls from pg_prepared_statements order by name',
      );
      expect(rows).toEqual([
        { name: 'clock', calls: '4' },
        { name: `run_of_gateway/1 of ${SCHEMA}`, calls: '4' },
      ]);
    } finally {
      await pool.end();
    }
  });

  it('behind a pooler that forgets them are answered all the same, and a run is crawled to its end', async () => {
    await using pooler = await startPgBouncer(installation.workerUrl, 2);
    const run = await installation.createRun(FAST);
    const { databaseUrl } = pooler;
    await using gateway = await startTestGateway({ databaseUrl, schema: SCHEMA, poolSize: 6 });
    const workers = Array.from({ length: 4 }, () =>
      gatewayWorkerStore({ gatewayUrl: gateway.url, token: run.token, workerId: crypto.randomUUID() }),
    );
    await Promise.all(workers.map((worker) => worker.seed(urls(40), never)));
    await Promise.all(
      workers.map(async (worker) => {
        for (let crawled = 0; crawled < 10; ) {
          const claims = await claimSome(worker, 10 - crawled);
          await worker.commit(
            claims.map((claim) => done(claim)),
            never,
          );
          crawled += claims.length;
        }
      }),
    );
    expect(await workers[0]?.finish(never)).toBe(true);
    await Promise.all(workers.map((worker) => worker.close()));
    const snapshot = await installation.operator.snapshot(run.runId, never);
    expect(snapshot?.progress).toMatchObject({ succeeded: 40, queued: 0, leased: 0 });
  });
});
