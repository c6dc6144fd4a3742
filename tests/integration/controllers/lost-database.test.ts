// PostgreSQL loses what it held under a running operator: everything, as the one to try Trawler out does when its pod is
// replaced, or what came last, as after a restore to an earlier time.
import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { CRAWL_RUNS, type CrawlRun } from '#src/custom-resources/types.ts';
import type { WorkerStore } from '#src/gateway/protocol/worker-store.ts';
import { JOBS, NAMESPACES, PODS, type Pod, SECRETS, type Secret } from '#src/kube/builtin-types.ts';
import type { KubeApi } from '#src/kube/client.ts';
import { isConditionTrue } from '#src/kube/conditions.ts';
import type { KubeObject, ResourceType } from '#src/kube/kube-object.ts';
import { type ControlPlane, startControlPlane } from '../../support/control-plane.ts';
import { installCrds } from '../../support/crds.ts';
import { testClient } from '../../support/database-connections.ts';
import { databaseHeartbeats, databaseWorkerStore } from '../../support/gateway.ts';
import { gatewayDatabaseUrl } from '../../support/gateway-login.ts';
import { operatorAccount } from '../../support/operator-rights.ts';
import { type PostgresServer, startPostgres, type TestDatabase } from '../../support/postgres.ts';
import { connect, type RunningOperator, startOperator } from '../../support/running-operator.ts';
import { heartbeat } from '../store/fixture.ts';

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
let account: { api: KubeApi };
let api: KubeApi;

beforeAll(async () => {
  [cluster, postgres] = await Promise.all([startControlPlane({ controllerManager: true }), startPostgres(15)]);
  await installCrds(cluster);
  api = connect(cluster.kubeconfigPath);
  database = await postgres.createDatabase();
  account = await operatorAccount(cluster.kubeconfigPath);
  operator = startOperator(cluster.kubeconfigPath, database.ownerUrl, account);
});
afterAll(async () => {
  await operator?.stop();
  await Promise.all([api?.close(), account?.api.close()]);
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
  return databaseWorkerStore(await accessOf(namespace, name, crypto.randomUUID()));
}

async function beatOnce(namespace: string, { metadata }: Pod): Promise<void> {
  const beats = databaseHeartbeats(await accessOf(namespace, 'shop', metadata.uid));
  await beats.beat({ ...heartbeat, podName: metadata.name }, signal);
  await beats.close();
}

async function accessOf(namespace: string, name: string, workerId: string) {
  const secret = await api.resource<Secret>(SECRETS).get({ namespace, name }, { signal });
  const read = (key: string) => Buffer.from(secret?.data?.[key] ?? '', 'base64').toString('utf8');
  return {
    ...{
      databaseUrl: await gatewayDatabaseUrl(cluster.kubeconfigPath, database.ownerUrl),
      schema: 'trawler',
      token: read('token'),
    },
    workerId,
  };
}

async function asSuperuser<Result>(
  work: (client: pg.Client) => Promise<Result>,
  url: string = database.superuserUrl,
): Promise<Result> {
  const client = testClient(url);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** SQLSTATE. */
const DEADLOCK = '40P01';

/** Tries again where the operator, which goes on with its work, was in the way. */
async function drop(client: pg.Client, statements: string): Promise<void> {
  for (;;) {
    try {
      await client.query(statements);
      return;
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === DEADLOCK)) throw error;
    }
  }
}

const dropWorkers = async (client: pg.Client) => {
  const { rows } = await client.query<{ name: string }>(
    "select quote_ident(rolname) as name from pg_roles where rolname ~ '^trawler_.*_(workers|gateway)$'",
  );
  for (const { name } of rows) await drop(client, `drop owned by ${name}; drop role ${name}`);
};

/** Crawls the first so many pages of two. */
async function crawlPages(worker: WorkerStore, pages: number): Promise<void> {
  for (let page = 0; page < pages; page++) {
    const claimed = await worker.claim(1, signal);
    if (claimed.state === 'Wait') page--;
    const claims = claimed.state === 'Claimed' ? claimed.claims : [];
    await worker.commit(
      claims.map((claim) => ({ claim, type: 'done', items: [{ title: 'A' }], links: [] })),
      signal,
    );
  }
}

async function firstPod(namespace: string): Promise<Pod> {
  const [pod] = (await api.resource<Pod>(PODS).list({ namespace, signal })).items;
  if (pod === undefined) throw new Error('the run has no pod');
  return pod;
}

/** As the worker's program ends then: no kubelet runs it here. */
async function endPod(
  pod: Pod,
  {
    phase,
    ...terminated
  }: { readonly phase: 'Succeeded' | 'Failed'; readonly exitCode: number; readonly message?: string },
): Promise<void> {
  const crawler = { name: 'crawler', image: 'x', imageID: 'x', ready: false, restartCount: 0, state: { terminated } };
  const body = { status: { phase, containerStatuses: [crawler] } };
  await api.resource<Pod>(PODS).patch(pod.metadata, { type: 'merge', body }, { subresource: 'status', signal });
}

const seedOf = (path: string) => ({
  ...{ source: 'shop', url: `http://shop.example/${path}`, host: `${path}.example`, depth: 0 },
});

/** A copy of the database as it is now; its sessions are ended for that. */
async function copyDatabase(from: string, to: string): Promise<void> {
  const url = new URL(database.superuserUrl);
  url.pathname = '/postgres';
  await asSuperuser(async (client) => {
    await client.query(`alter database "${from}" allow_connections false`);
    try {
      await client.query('select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = $1', [from]);
      await client.query(`drop database if exists "${to}" with (force)`);
      await client.query(`create database "${to}" template "${from}" owner "${new URL(database.ownerUrl).username}"`);
    } finally {
      await client.query(`alter database "${from}" allow_connections true`);
    }
  }, url.href);
}

/** Puts the copy in the place of the database. */
async function restore(copy: string): Promise<void> {
  await copyDatabase(copy, database.name);
  await asSuperuser((client) => client.query(`drop database "${copy}"`));
}

test('the database is set up again, what it lost ends with a reason, and new runs come to their end', async () => {
  const namespace = await withNamespace('emptied');
  await createRun(namespace, 'before');
  await untilJob(namespace, 'before');

  await asSuperuser(async (client) => {
    await drop(client, 'drop schema trawler cascade');
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
  await worker.seed([seedOf('a')], signal);
  await crawlPages(worker, 1);
  expect(await worker.finish(signal)).toBe(true);
  await worker.close();
  await eventually(async () =>
    expect((await readRun(namespace, 'after'))?.status).toMatchObject({ phase: 'Succeeded', progress: { items: 1 } }),
  );
});

test('a run that has ended, and is live again after a restore to an earlier time, ends with the reason', async () => {
  const namespace = await withNamespace('restored');
  await createRun(namespace, 'shop');
  await untilJob(namespace, 'shop');
  const { uid = '' } = (await readRun(namespace, 'shop'))?.metadata ?? {};
  const earlier = await workerOf(namespace, 'shop');
  await earlier.seed([seedOf('a'), seedOf('b')], signal);
  await crawlPages(earlier, 1);
  await earlier.close();
  const backup = `${database.name}_backup`;
  await copyDatabase(database.name, backup);

  const worker = await workerOf(namespace, 'shop');
  await crawlPages(worker, 1);
  expect(await worker.finish(signal)).toBe(true);
  await worker.close();
  await endPod(await firstPod(namespace), { phase: 'Succeeded', exitCode: 0 });
  const succeeded = { phase: 'Succeeded', progress: { succeeded: 2 } };
  await eventually(async () => expect((await readRun(namespace, 'shop'))?.status).toMatchObject(succeeded));
  await eventually(async () =>
    expect(await api.resource(SECRETS).get({ namespace, name: 'shop' }, { signal })).toBeUndefined(),
  );

  await restore(backup);
  expect(await operator.store.snapshot(uid, signal)).toMatchObject({ progress: { succeeded: 1, queued: 1 } });
  // A run that goes is a reason to look at once.
  await createRun(namespace, 'other');
  await api.resource(CRAWL_RUNS).delete({ namespace, name: 'other' }, { signal });
  await eventually(async () =>
    expect(await operator.store.snapshot(uid, signal)).toMatchObject({
      outcome: 'Failed',
      stopReason: 'DataLost',
      message: expect.stringContaining('it had ended as Succeeded'),
    }),
  );
  await eventually(async () =>
    expect(await eventsIn(namespace)).toContainEqual({ reason: 'DataLost', kind: 'CrawlRun', name: 'shop' }),
  );
  expect((await readRun(namespace, 'shop'))?.status).toMatchObject(succeeded);
});

test('a run whose workers were told that it is finished, and whose end is lost, has failed', async () => {
  const namespace = await withNamespace('unfinished');
  await createRun(namespace, 'shop');
  await untilJob(namespace, 'shop');
  const worker = await workerOf(namespace, 'shop');
  await worker.seed([seedOf('a'), seedOf('b')], signal);
  await crawlPages(worker, 1);
  await worker.close();
  const pod = await firstPod(namespace);
  await beatOnce(namespace, pod);
  await endPod(pod, { phase: 'Succeeded', exitCode: 0 });
  await eventually(async () =>
    expect((await readRun(namespace, 'shop'))?.status).toMatchObject({
      phase: 'Failed',
      message: expect.stringMatching(/PostgreSQL has gone back to an earlier time.*; what is left: 1 pages succeeded/),
      conditions: expect.arrayContaining([expect.objectContaining({ type: 'Failed', reason: 'DataLost' })]),
    }),
  );
});

test('a login of the gateway that somebody dropped is made again with its password', async () => {
  const namespace = await withNamespace('login');
  await createRun(namespace, 'shop');
  await untilJob(namespace, 'shop');
  const access = await accessOf(namespace, 'shop', randomUUID());
  const load = async () => {
    const worker = databaseWorkerStore(access);
    await worker.loadRun(signal).finally(() => worker.close());
  };
  await load();
  await asSuperuser(dropWorkers);
  await expect(load()).rejects.toMatchObject({ reason: 'LoginRefused' });
  await eventually(load);
});
