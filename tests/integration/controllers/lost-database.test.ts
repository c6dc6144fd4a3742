// PostgreSQL loses everything under a running operator, as the one to try Trawler out does when its pod is replaced.
import { join } from 'node:path';
import { execa } from 'execa';
import type pg from 'pg';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { CRAWL_RUNS, type CrawlRun } from '#src/custom-resources/types.ts';
import { JOBS, NAMESPACES, PODS, type Pod, SECRETS, type Secret } from '#src/kube/builtin-types.ts';
import type { KubeApi } from '#src/kube/client.ts';
import { isConditionTrue } from '#src/kube/conditions.ts';
import type { KubeObject, ResourceType } from '#src/kube/kube-object.ts';
import { createWorkerStore } from '#src/store/postgres-worker-store.ts';
import type { WorkerStore } from '#src/store/worker-store.ts';
import { binary } from '../../../dev/setup/kubernetes-binaries.mjs';
import { projectRoot } from '../../../dev/setup/paths.mjs';
import { type ControlPlane, startControlPlane } from '../../support/control-plane.ts';
import { testClient } from '../../support/database-connections.ts';
import { type PostgresServer, startPostgres, type TestDatabase } from '../../support/postgres.ts';
import { connect, type RunningOperator, startOperator } from '../../support/running-operator.ts';

const { signal } = new AbortController();
const EVENTS: ResourceType = {
  group: 'events.k8s.io',
  version: 'v1',
  plural: 'events',
  kind: 'Event',
  namespaced: true,
};
type Event = KubeObject & { reason: string; note: string; regarding: { kind: string; name: string } };

let cluster: ControlPlane;
let postgres: PostgresServer;
let database: TestDatabase;
let operator: RunningOperator;
let api: KubeApi;

beforeAll(async () => {
  [cluster, postgres] = await Promise.all([startControlPlane({ controllerManager: true }), startPostgres(15)]);
  const kubectl = (...args: string[]) => execa(binary('kubectl'), [`--kubeconfig=${cluster.kubeconfigPath}`, ...args]);
  await kubectl('apply', '-f', join(projectRoot, 'crds'));
  await kubectl('wait', '--for=condition=Established', 'crd', '--all', '--timeout=30s');
  api = connect(cluster.kubeconfigPath);
  database = await postgres.createDatabase();
  operator = startOperator(cluster.kubeconfigPath, database.ownerUrl);
});
afterAll(async () => {
  await operator?.stop();
  await api?.close();
  await Promise.all([cluster?.stop(), postgres?.stop()]);
});

async function withNamespace(namespace: string): Promise<string> {
  await api.resource(NAMESPACES).create({ metadata: { name: namespace } }, { signal });
  return namespace;
}

async function createRun(namespace: string, name: string): Promise<void> {
  const spec = { sources: [{ name: 'shop', urls: ['http://shop.example/'] }] };
  await api.resource<CrawlRun>(CRAWL_RUNS).create({ metadata: { namespace, name }, spec }, { signal });
}

const readRun = (namespace: string, name: string) =>
  api.resource<CrawlRun>(CRAWL_RUNS).get({ namespace, name }, { signal });

async function untilJob(namespace: string, name: string): Promise<void> {
  await eventually(async () => {
    expect(isConditionTrue((await readRun(namespace, name))?.status?.conditions, 'JobCreated')).toBe(true);
    expect(await api.resource(JOBS).get({ namespace, name }, { signal })).toBeDefined();
  });
}

const eventsIn = async (namespace: string) =>
  (await api.resource<Event>(EVENTS).list({ namespace, signal })).items.map(({ reason, regarding }) => ({
    reason,
    kind: regarding.kind,
    name: regarding.name,
  }));

const eventually = (assertions: () => Promise<void>) => vi.waitFor(assertions, { timeout: 45_000, interval: 200 });

/** What a pod of the run would be: it logs in with what the run's Secret holds. */
async function workerOf(namespace: string, name: string): Promise<WorkerStore> {
  const run = await readRun(namespace, name);
  const secret = await api.resource<Secret>(SECRETS).get({ namespace, name }, { signal });
  const read = (key: string) => Buffer.from(secret?.data?.[key] ?? '', 'base64').toString('utf8');
  return createWorkerStore({
    ...{ databaseUrl: read('database-url'), schema: 'trawler', token: read('token') },
    ...{ runId: run?.metadata.uid ?? '', workerId: crypto.randomUUID() },
  });
}

async function asSuperuser<Result>(work: (client: pg.Client) => Promise<Result>): Promise<Result> {
  const client = testClient(database.superuserUrl);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

const dropWorkers = async (client: pg.Client) => {
  const { rows } = await client.query<{ name: string }>(
    "select quote_ident(rolname) as name from pg_roles where rolname like 'trawler\\_%\\_worker%'",
  );
  for (const { name } of rows) await client.query(`drop owned by ${name}; drop role ${name}`);
};

test('the database is set up again, what it lost ends with a reason, and new runs come to their end', async () => {
  const namespace = await withNamespace('emptied');
  await createRun(namespace, 'before');
  await untilJob(namespace, 'before');

  await asSuperuser(async (client) => {
    await client.query('drop schema trawler cascade');
    await dropWorkers(client);
  });

  await eventually(async () =>
    expect((await readRun(namespace, 'before'))?.status).toMatchObject({
      phase: 'Failed',
      message: expect.stringContaining('PostgreSQL has lost the run and its results'),
      conditions: expect.arrayContaining([expect.objectContaining({ type: 'Failed', reason: 'DataLost' })]),
    }),
  );
  await eventually(async () => {
    expect(await eventsIn(namespace)).toContainEqual({ reason: 'DataLost', kind: 'CrawlRun', name: 'before' });
    const lease = { reason: 'DatabaseEmptied', kind: 'Lease', name: 'trawler-operator' };
    expect(await eventsIn('default')).toContainEqual(lease);
  });
  await eventually(async () => {
    expect(await api.resource(SECRETS).get({ namespace, name: 'before' }, { signal })).toBeUndefined();
    expect((await api.resource<Pod>(PODS).list({ namespace, signal })).items).toEqual([]);
  });

  await createRun(namespace, 'after');
  await untilJob(namespace, 'after');
  const worker = await workerOf(namespace, 'after');
  await worker.seed([{ source: 'shop', url: 'http://shop.example/', host: 'shop.example', depth: 0 }], signal);
  const claimed = await worker.claim(1, signal);
  const claims = claimed.state === 'Claimed' ? claimed.claims : [];
  await worker.commit(
    claims.map((claim) => ({ claim, type: 'done', items: [{ title: 'A' }], links: [] })),
    signal,
  );
  expect(await worker.finish(signal)).toBe(true);
  await worker.close();
  await eventually(async () =>
    expect((await readRun(namespace, 'after'))?.status).toMatchObject({ phase: 'Succeeded', progress: { items: 1 } }),
  );
});

test('a worker that is not let in has its login made again', async () => {
  const namespace = await withNamespace('login');
  await createRun(namespace, 'shop');
  await untilJob(namespace, 'shop');
  const before = await workerOf(namespace, 'shop');
  await before.loadRun(signal);
  await before.close();

  await asSuperuser(dropWorkers);
  const refused = await workerOf(namespace, 'shop');
  await expect(refused.loadRun(signal)).rejects.toMatchObject({ reason: 'LoginRefused' });
  await refused.close();

  // As the worker's program ends then: no kubelet runs it here.
  const message = JSON.stringify({ reason: 'LoginRefused', message: 'password authentication failed' });
  const terminated = { exitCode: 75, message };
  const crawler = { name: 'crawler', image: 'x', imageID: 'x', ready: false, restartCount: 0, state: { terminated } };
  const pods = api.resource<Pod>(PODS);
  const [pod] = (await pods.list({ namespace, signal })).items;
  if (pod === undefined) throw new Error('the run has no pod');
  const body = { status: { phase: 'Failed', containerStatuses: [crawler] } };
  await pods.patch(pod.metadata, { type: 'merge', body }, { subresource: 'status', signal });

  // The same password as before: the Secret of the live run holds it.
  await eventually(async () => {
    const again = await workerOf(namespace, 'shop');
    await again.loadRun(signal).finally(() => again.close());
  });
});
