// PostgreSQL goes away under runs: their status says so, nothing is given up, and a stop does not wait for it.
import { execa } from 'execa';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import type { CrawlRun } from '#src/custom-resources/types.ts';
import type { Job, Pod, Secret } from '#src/kube/builtin-types.ts';
import { binary } from '../../../dev/setup/kubernetes-binaries.mjs';
import { type ControlPlane, startControlPlane } from '../../support/control-plane.ts';
import { installCrds } from '../../support/crds.ts';
import { databaseHeartbeats } from '../../support/gateway.ts';
import { gatewayDatabaseUrl } from '../../support/gateway-login.ts';
import { type PostgresServer, startPostgres, type TestDatabase } from '../../support/postgres.ts';
import { type RunningOperator, startOperator } from '../../support/running-operator.ts';
import { startTcpProxy, type TcpProxy } from '../../support/tcp-proxy.ts';

let cluster: ControlPlane;
let postgres: PostgresServer;
let database: TestDatabase;
let proxy: TcpProxy;
let operator: RunningOperator;

beforeAll(async () => {
  [cluster, postgres] = await Promise.all([startControlPlane({ controllerManager: true }), startPostgres(15)]);
  await installCrds(cluster);
  proxy = await startTcpProxy({ host: postgres.host, port: postgres.port });
  database = await postgres.createDatabase({ createRole: true });
  const url = new URL(database.ownerUrl);
  url.port = String(proxy.port);
  operator = startOperator(cluster.kubeconfigPath, url.href);
});
afterEach(() => proxy.setAway(false));
afterAll(async () => {
  await operator?.stop();
  await proxy?.[Symbol.asyncDispose]();
  await Promise.all([cluster?.stop(), postgres?.stop()]);
});

async function kubectl(args: string[], input?: object): Promise<string> {
  const result = await execa(binary('kubectl'), [`--kubeconfig=${cluster.kubeconfigPath}`, ...args], {
    ...(input ? { input: JSON.stringify(input) } : {}),
  });
  return result.stdout;
}

const get = async <T>(kind: string, name: string) =>
  JSON.parse(await kubectl(['get', kind, name, '-n', 'default', '-o', 'json'])) as T;
const eventually = <T>(look: () => Promise<T>) => vi.waitFor(look, { timeout: 90_000, interval: 200 });
const read = (name: string) => get<CrawlRun>('crawlrun', name);
const conditionOf = (run: CrawlRun, type: string) => run.status?.conditions?.find((one) => one.type === type);

async function createRun(name: string, spec: object = {}): Promise<void> {
  const sources = [{ name: 'shop', urls: ['http://shop.example/'] }];
  const kind = { apiVersion: 'trawler.dev/v1alpha1', kind: 'CrawlRun' };
  await kubectl(['apply', '-f', '-'], {
    ...kind,
    metadata: { name, namespace: 'default' },
    spec: { sources, ...spec },
  });
}

const stop = (name: string) =>
  kubectl(['patch', 'crawlrun', name, '-n', 'default', '--type=merge', '-p', '{"spec":{"shutdown":"Stop"}}']);

/** Accepted, with a Job and a worker that has given a heartbeat. */
async function startCrawling(name: string): Promise<void> {
  await createRun(name);
  await eventually(async () => expect(conditionOf(await read(name), 'JobCreated')?.status).toBe('True'));
  const pods = JSON.parse(await kubectl(['get', 'pods', '-n', 'default', '-o', 'json'])) as { items: Pod[] };
  const pod = pods.items.find(({ metadata }) => metadata.labels?.['trawler.dev/run'] === name);
  const secret = await get<Secret>('secret', name);
  const decode = (key: string) => Buffer.from(secret.data?.[key] ?? '', 'base64').toString('utf8');
  const store = databaseHeartbeats({
    ...{
      databaseUrl: await gatewayDatabaseUrl(cluster.kubeconfigPath, database.ownerUrl),
      schema: 'trawler',
      token: decode('token'),
    },
    ...{ workerId: pod?.metadata.uid ?? '' },
  });
  const heartbeat = { pagesInFlight: 0, concurrency: 1, idleMs: 0, rssBytes: 0, errors: 0 };
  await store.beat(
    { state: 'Crawling', podName: pod?.metadata.name ?? '', nodeName: 'none', ...heartbeat },
    AbortSignal.timeout(30_000),
  );
  await store.close();
  await eventually(async () => expect((await read(name)).status?.phase).toBe('Running'));
}

test('a run at work says that PostgreSQL is away, and goes on when it is back', async () => {
  await startCrawling('working');
  proxy.setAway(true);
  await eventually(async () => {
    const run = await read('working');
    expect(run.status?.phase).toBe('Running');
    expect(conditionOf(run, 'Progressing')).toMatchObject({ status: 'False', reason: 'DatabaseUnavailable' });
    expect(conditionOf(run, 'Accepted')?.status).toBe('True');
  });
  proxy.setAway(false);
  await eventually(async () =>
    expect(conditionOf(await read('working'), 'Progressing')?.reason).not.toBe('DatabaseUnavailable'),
  );
});

test('a stop suspends the Job while PostgreSQL is away, and is written down when it is back', async () => {
  await startCrawling('stopped');
  proxy.setAway(true);
  await stop('stopped');
  await eventually(async () => expect((await get<Job>('job', 'stopped')).spec?.suspend).toBe(true));
  await eventually(async () => {
    const { status } = await read('stopped');
    expect(status?.phase).toBe('Stopping');
    expect(status?.message).toContain('the end is written down when PostgreSQL answers');
  });
  proxy.setAway(false);
  await kubectl(['wait', '-n', 'default', '--for=condition=Finished', 'crawlrun/stopped', '--timeout=60s']);
  expect((await read('stopped')).status?.phase).toBe('Stopped');
});

test('a run that was never accepted is stopped without PostgreSQL', async () => {
  proxy.setAway(true);
  await createRun('early');
  await eventually(async () =>
    expect(conditionOf(await read('early'), 'Accepted')).toMatchObject({
      status: 'False',
      reason: 'DatabaseUnavailable',
    }),
  );
  expect((await read('early')).status?.startDeadline).toBeUndefined();
  await stop('early');
  await kubectl(['wait', '-n', 'default', '--for=condition=Finished', 'crawlrun/early', '--timeout=60s']);
  expect((await read('early')).status?.phase).toBe('Stopped');
});

test.each([
  ['a retry of a run that is gone', { trigger: { type: 'Retry', retryOf: 'gone', only: 'Dead' } }],
  ['a claim that is missing', { output: { volumeClaim: 'missing' } }],
])('a stop goes before %s', async (what, spec) => {
  const name = what.replaceAll(' ', '-');
  await createRun(name, { shutdown: 'Stop', ...spec });
  await kubectl(['wait', '-n', 'default', '--for=condition=Finished', `crawlrun/${name}`, '--timeout=60s']);
  expect((await read(name)).status?.phase).toBe('Stopped');
});

test('a stop goes before a Secret of the same name', async () => {
  await kubectl(['create', 'secret', 'generic', 'taken', '-n', 'default']);
  await createRun('taken');
  await eventually(async () => expect(conditionOf(await read('taken'), 'Accepted')?.reason).toBe('SecretConflict'));
  await stop('taken');
  await kubectl(['wait', '-n', 'default', '--for=condition=Finished', 'crawlrun/taken', '--timeout=60s']);
  expect((await read('taken')).status?.phase).toBe('Stopped');
});
