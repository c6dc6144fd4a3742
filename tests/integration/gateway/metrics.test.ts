// What workers did, as the gateway shows it: by schedule, once for each page, and still there when the worker has gone.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { exposition, TEXT_TYPE } from '#src/telemetry/exposition.ts';
import { gatewayWorkerStore, startTestGateway, type TestGateway } from '../../support/gateway.ts';
import { type PostgresServer, startPostgres } from '../../support/postgres.ts';
import { claimSome, done, FAST, type Installation, install, never, SCHEMA, urls } from '../store/fixture.ts';

let server: PostgresServer;
let installation: Installation;
let gateway: TestGateway;

beforeAll(async () => {
  server = await startPostgres(18);
  installation = await install(server);
  gateway = await startTestGateway({ databaseUrl: installation.workerUrl, schema: SCHEMA });
});
afterAll(async () => {
  await gateway?.[Symbol.asyncDispose]();
  await installation?.[Symbol.asyncDispose]();
  await server?.stop();
});

async function samples(name: string): Promise<string[]> {
  let text = '';
  for await (const piece of exposition(gateway.registry, TEXT_TYPE)) text += piece;
  return text.split('\n').filter((line) => line.startsWith(name));
}

it('counts the pages of a schedule once, and not those of a worker that lost them', async () => {
  const run = await installation.createRun({ ...FAST, scheduleName: 'shop' }, { namespace: 'red' });
  const workerId = crypto.randomUUID();
  const first = gatewayWorkerStore({ gatewayUrl: gateway.url, token: run.token, workerId });
  await first.seed(urls(3), never);
  const claims = await claimSome(first, 3);
  const outcomes = claims.map((claim) => ({ ...done(claim), facts: { status: 200, bytes: 7, durationMs: 20 } }));
  await first.commit(outcomes.slice(0, 2), never);
  // Its leases go with it.
  await installation.operator.releaseWorker(run.runId, workerId, never);
  await first.commit(outcomes, never).catch(() => {});
  await first.close();
  const tries = ['trawler_page_tries_total{namespace="red",schedule="shop",result="succeeded"} 2'];
  expect(await samples('trawler_page_tries_total')).toEqual(tries);
  expect(await samples('trawler_page_bytes_total')).toEqual([
    'trawler_page_bytes_total{namespace="red",schedule="shop"} 14',
  ]);
  expect(await samples('trawler_page_duration_seconds_count')).toEqual([
    'trawler_page_duration_seconds_count{namespace="red"} 2',
  ]);
});

it('shows the connections of its pools, and what they were used for', async () => {
  expect(await samples('trawler_database_connections_max')).toEqual(['trawler_database_connections_max 22']);
  const [active, idle, waiting] = (await samples('trawler_database_connections{')).map((line) =>
    Number(line.split(' ').at(-1)),
  );
  expect(active).toBe(0);
  expect(idle).toBeGreaterThan(0);
  expect(waiting).toBe(0);
  const [count] = await samples('trawler_database_query_duration_seconds_count');
  expect(Number(count?.split(' ').at(-1))).toBeGreaterThan(3);
});

it('goes on to show them when it has another login', async () => {
  gateway.gateway.setDatabaseUrl(installation.workerUrl);
  expect(await samples('trawler_database_connections_max')).toEqual(['trawler_database_connections_max 22']);
});
