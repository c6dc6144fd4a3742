// The whole operator against a real API server with its controllers, and a real PostgreSQL. No kubelet: pods stay
// pending, so that every step before and after the crawl can be looked at.
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { KubeConfig } from '@kubernetes/client-node';
import { execa } from 'execa';
import { Registry } from 'prom-client';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type { ActiveLimits } from '#src/controllers/admission.ts';
import { runOperator } from '#src/controllers/operator.ts';
import type { Job, Secret } from '#src/kube/builtin-types.ts';
import { createKubeApi, type KubeApi } from '#src/kube/client.ts';
import type { CrawlRun, CrawlSchedule } from '#src/kube/custom-types.ts';
import { createKubeMetrics } from '#src/kube/metrics.ts';
import type { OperatorStore } from '#src/store/operator-store.ts';
import { createOperatorStore } from '#src/store/postgres-operator-store.ts';
import { createWorkerStore } from '#src/store/postgres-worker-store.ts';
import { createLogger } from '#src/telemetry/logger.ts';
import { binary } from '../../../dev/setup/kubernetes-binaries.mjs';
import { projectRoot } from '../../../dev/setup/paths.mjs';
import { type ControlPlane, startControlPlane } from '../../support/control-plane.ts';
import { type PostgresServer, startPostgres, type TestDatabase } from '../../support/postgres.ts';

const logger = createLogger('operator-test', 'fatal');
let cluster: ControlPlane;
let postgres: PostgresServer;
let database: TestDatabase;
let namespace: string;
let count = 0;

beforeAll(async () => {
  [cluster, postgres] = await Promise.all([startControlPlane({ controllerManager: true }), startPostgres(15)]);
  await kubectl(['apply', '-f', join(projectRoot, 'crds')]);
  await kubectl(['wait', '--for=condition=Established', 'crd', '--all', '--timeout=30s']);
});
afterAll(async () => {
  await Promise.all([cluster?.stop(), postgres?.stop()]);
});

beforeEach(async () => {
  count += 1;
  namespace = `test-${count}`;
  database = await postgres.createDatabase({ createRole: true });
  await kubectl(['create', 'namespace', namespace]);
});

async function kubectl(args: string[], input?: object): Promise<string> {
  const result = await execa(binary('kubectl'), [`--kubeconfig=${cluster.kubeconfigPath}`, ...args], {
    ...(input ? { input: JSON.stringify(input) } : {}),
  });
  return result.stdout;
}

async function get<T>(kind: string, name: string): Promise<T> {
  return JSON.parse(await kubectl(['get', kind, name, '-n', namespace, '-o', 'json'])) as T;
}

async function list<T>(kind: string): Promise<T[]> {
  return (JSON.parse(await kubectl(['get', kind, '-n', namespace, '-o', 'json'])) as { items: T[] }).items;
}

/** Looks again until the assertions hold. */
const eventually = (assertions: () => Promise<void>) => vi.waitFor(assertions, { timeout: 45_000, interval: 200 });

type Running = { readonly store: OperatorStore; stop(): Promise<void> };
const running: Running[] = [];

/** Limits count the runs of all namespaces: nothing of this test stays for the next. */
afterEach(async () => {
  await Promise.all(running.splice(0).map((operator) => operator.stop()));
  await kubectl(['delete', 'crawlschedules,crawlruns', '--all', '-n', namespace]);
});

/** An operator in this process; one at a time, since they share a Lease. */
function startOperator(databaseUrl = database.ownerUrl, limits: ActiveLimits = {}): Running {
  const ending = new AbortController();
  const metrics = createKubeMetrics(new Registry());
  const config = new KubeConfig();
  config.loadFromFile(cluster.kubeconfigPath);
  const api: KubeApi = createKubeApi(config, { logger, metrics });
  const store = createOperatorStore({ databaseUrl, schema: 'trawler', logger });
  const done = runOperator({
    api,
    store,
    migrate: true,
    limits,
    settings: {
      crawlerImage: 'registry.example/crawler:1',
      imagePullPolicy: 'IfNotPresent',
      databaseSchema: 'trawler',
      allowedAddresses: [],
      logLevel: 'info',
    },
    namespace: 'default',
    identity: `operator-${count}`,
    reconcilers: 4,
    metrics,
    logger,
    signal: ending.signal,
  });
  const operator = {
    store,
    stop: async () => {
      ending.abort(new Error('the test is over'));
      await done;
      await Promise.all([api.close(), store.close()]);
    },
  };
  running.push(operator);
  return operator;
}

const sources = [{ name: 'shop', urls: ['http://shop.example/'] }];

function run(name: string, spec: object = {}): object {
  return {
    apiVersion: 'trawler.dev/v1alpha1',
    kind: 'CrawlRun',
    metadata: { name, namespace },
    spec: { sources, ...spec },
  };
}

function schedule(name: string, spec: object = {}): object {
  return {
    apiVersion: 'trawler.dev/v1alpha1',
    kind: 'CrawlSchedule',
    metadata: { name, namespace },
    spec: { schedule: '* * * * * *', runTemplate: { spec: { sources } }, ...spec },
  };
}

const apply = (object: object) => kubectl(['apply', '-f', '-'], object);
const patch = (kind: string, name: string, spec: object) =>
  kubectl(['patch', kind, name, '-n', namespace, '--type=merge', '-p', JSON.stringify({ spec })]);
const condition = (object: CrawlRun | CrawlSchedule, type: string) =>
  object.status?.conditions?.find((one) => one.type === type);
const reasons = async () => (await list<{ reason: string }>('events.events.k8s.io')).map((event) => event.reason);

describe('a CrawlRun', () => {
  test('gets a Secret, a row and a Job that belong to it, and says what it waits for', async () => {
    const { store } = startOperator();
    await apply(run('shop', { workers: 2 }));
    await eventually(async () =>
      expect(condition(await get<CrawlRun>('crawlrun', 'shop'), 'JobCreated')?.status).toBe('True'),
    );

    const created = await get<CrawlRun>('crawlrun', 'shop');
    expect(created.status).toMatchObject({ phase: 'Pending', jobName: 'shop', progress: { percentage: '0.00%' } });
    expect(condition(created, 'Accepted')).toMatchObject({ status: 'True', reason: 'SpecStored' });
    const job = await get<Job>('job', 'shop');
    expect(job.metadata.ownerReferences).toMatchObject([
      { kind: 'CrawlRun', uid: created.metadata.uid, controller: true },
    ]);
    expect(job.spec).toMatchObject({ completionMode: 'Indexed', completions: 2, parallelism: 2, backoffLimit: 6 });
    const secret = await get<Secret>('secret', 'shop');
    expect(secret.metadata.ownerReferences).toMatchObject([{ kind: 'CrawlRun', uid: created.metadata.uid }]);
    expect(Object.keys(secret.data ?? {}).sort()).toEqual(['database-url', 'token']);
    const snapshot = (await store.snapshots(AbortSignal.timeout(5_000))).get(created.metadata.uid);
    expect(snapshot).toMatchObject({ name: 'shop', namespace, state: 'Accepted' });
    await eventually(async () => expect(await reasons()).toContain('JobCreated'));
  });

  test('that is stopped keeps its row, ends Stopped and loses its credentials', async () => {
    startOperator();
    await apply(run('shop'));
    await eventually(async () => expect(await list<Job>('jobs')).toHaveLength(1));
    await patch('crawlrun', 'shop', { shutdown: 'Stop' });
    await kubectl(['wait', '-n', namespace, '--for=condition=Finished', 'crawlrun/shop', '--timeout=45s']);
    const stopped = await get<CrawlRun>('crawlrun', 'shop');
    expect(stopped.status?.phase).toBe('Stopped');
    expect(condition(stopped, 'Complete')).toMatchObject({ status: 'True', reason: 'Shutdown' });
    await eventually(async () => expect(await list('secrets')).toEqual([]));
  });

  test('whose Job is deleted by hand gets it again, once', async () => {
    startOperator();
    await apply(run('shop'));
    await eventually(async () => expect(await list<Job>('jobs')).toHaveLength(1));
    const first = await get<Job>('job', 'shop');
    await kubectl(['delete', 'job', 'shop', '-n', namespace]);
    await eventually(async () => expect((await get<Job>('job', 'shop')).metadata.uid).not.toBe(first.metadata.uid));
    await eventually(async () =>
      expect(condition(await get<CrawlRun>('crawlrun', 'shop'), 'JobCreated')?.reason).toBe('JobRecreated'),
    );
    await kubectl(['delete', 'job', 'shop', '-n', namespace]);
    await eventually(async () => expect((await get<CrawlRun>('crawlrun', 'shop')).status?.phase).toBe('Stopped'));
  });

  test('whose hosts refuse it says so once, and is Failed for that reason when its workers give up', async () => {
    startOperator();
    await apply(run('shop'));
    await eventually(async () => expect(await list<Job>('jobs')).toHaveLength(1));
    const { uid } = (await get<CrawlRun>('crawlrun', 'shop')).metadata;
    const secret = await get<Secret>('secret', 'shop');
    const read = (key: string) => Buffer.from(secret.data?.[key] ?? '', 'base64').toString('utf8');
    const access = { databaseUrl: read('database-url'), token: read('token'), schema: 'trawler', runId: uid };
    const worker = createWorkerStore({ ...access, workerId: randomUUID() });
    const signal = AbortSignal.timeout(60_000);
    await worker.reportBlock('shop.example', 'a Cloudflare challenge', signal);
    await eventually(async () => expect(await reasons()).toContain('HostBlocked'));
    await worker.reportBlock('shop.example', 'another', signal);
    await worker.close();
    await eventually(async () =>
      expect((await get<CrawlRun>('crawlrun', 'shop')).status?.blockedHosts).toEqual([
        { host: 'shop.example', refusals: 2, evidence: 'a Cloudflare challenge', slowdown: 4 },
      ]),
    );

    const message = JSON.stringify({ reason: 'Blocked', message: 'every source refuses the crawl' });
    const terminated = { exitCode: 66, message };
    const containerStatuses = [
      { name: 'crawler', image: 'x', imageID: 'x', ready: false, restartCount: 0, state: { terminated } },
    ];
    await eventually(async () => {
      const [pod] = await list<{ metadata: { name: string } }>('pods');
      const body = JSON.stringify({ status: { phase: 'Failed', containerStatuses } });
      const args = ['patch', 'pod', pod?.metadata.name ?? '', '-n', namespace, '--subresource=status', '-p', body];
      await kubectl(args);
    });
    await kubectl(['wait', '-n', namespace, '--for=condition=Failed', 'crawlrun/shop', '--timeout=45s']);
    const failed = await get<CrawlRun>('crawlrun', 'shop');
    expect(failed.status).toMatchObject({ phase: 'Failed', message: expect.stringContaining('every source refuses') });
    expect(condition(failed, 'Failed')).toMatchObject({ status: 'True', reason: 'Blocked' });
    expect(await list('pods')).toHaveLength(1);
    expect((await reasons()).filter((reason) => reason === 'HostBlocked')).toHaveLength(1);
  });

  test('that is deleted takes all with it and ends in PostgreSQL', async () => {
    const { store } = startOperator();
    await apply(run('shop'));
    await eventually(async () => expect(await list<Job>('jobs')).toHaveLength(1));
    const { uid } = (await get<CrawlRun>('crawlrun', 'shop')).metadata;
    await kubectl(['delete', 'crawlrun', 'shop', '-n', namespace]);
    await eventually(async () => {
      expect(await list('jobs')).toEqual([]);
      expect(await list('secrets')).toEqual([]);
      const snapshot = (await store.snapshots(AbortSignal.timeout(5_000), [uid])).get(uid);
      expect(snapshot).toMatchObject({ state: 'Finished', outcome: 'Stopped', stopReason: 'Deleted' });
    });
  });

  test('waits while PostgreSQL is away, says so, and goes on when it is back', async () => {
    const url = new URL(database.ownerUrl);
    url.port = '1';
    const blind = startOperator(url.href);
    await apply(run('shop'));
    await eventually(async () =>
      expect(condition(await get<CrawlRun>('crawlrun', 'shop'), 'Accepted')).toMatchObject({
        status: 'False',
        reason: 'DatabaseUnavailable',
      }),
    );
    expect(await list('jobs')).toEqual([]);
    await blind.stop();
    running.splice(running.indexOf(blind), 1);
    startOperator();
    await eventually(async () =>
      expect(condition(await get<CrawlRun>('crawlrun', 'shop'), 'JobCreated')?.status).toBe('True'),
    );
  });

  test('does not touch a Job or a Secret of somebody else', async () => {
    await kubectl(['create', 'job', 'taken', '-n', namespace, '--image=registry.example/other']);
    await kubectl(['create', 'secret', 'generic', 'kept', '-n', namespace, '--from-literal=a=b']);
    startOperator();
    await apply(run('taken'));
    await apply(run('kept'));
    await eventually(async () => {
      expect(condition(await get<CrawlRun>('crawlrun', 'taken'), 'JobCreated')).toMatchObject({
        status: 'False',
        reason: 'JobConflict',
      });
      expect(condition(await get<CrawlRun>('crawlrun', 'kept'), 'Accepted')).toMatchObject({
        status: 'False',
        reason: 'SecretConflict',
      });
    });
    expect((await get<Secret>('secret', 'kept')).data).toEqual({ a: 'Yg==' });
  });

  test('waits for a slot, says its place in line, and is let in by priority', async () => {
    startOperator(database.ownerUrl, { total: 1 });
    await apply(run('first'));
    await eventually(async () => expect(await list<Job>('jobs')).toHaveLength(1));
    await apply(run('second'));
    await apply(run('urgent', { priority: 5 }));
    await eventually(async () => {
      const waiting = (await get<CrawlRun>('crawlrun', 'second')).status;
      expect(waiting).toMatchObject({
        phase: 'Queued',
        message: expect.stringContaining('in line, since 1 active runs are the limit'),
      });
      expect((await get<CrawlRun>('crawlrun', 'urgent')).status?.message).toContain('number 1 in line');
    });
    await patch('crawlrun', 'first', { shutdown: 'Stop' });
    await eventually(async () => expect((await get<CrawlRun>('crawlrun', 'urgent')).status?.phase).toBe('Pending'));
    expect((await get<CrawlRun>('crawlrun', 'second')).status?.phase).toBe('Queued');
    await patch('crawlrun', 'second', { shutdown: 'Stop' });
    await eventually(async () => expect((await get<CrawlRun>('crawlrun', 'second')).status?.phase).toBe('Stopped'));
  });

  test('is deleted when its time to live is over', async () => {
    startOperator();
    await apply(run('shop', { shutdown: 'Stop', ttlSecondsAfterFinished: 1 }));
    await eventually(async () => expect(await list('crawlruns')).toEqual([]));
  });
});

describe('a CrawlSchedule', () => {
  test('makes a run for a slot, owned and named after it, and tells what comes next', async () => {
    startOperator();
    await apply(schedule('shop', { concurrencyPolicy: 'Forbid' }));
    await eventually(async () => expect(await list('crawlruns')).not.toEqual([]));
    const [created] = await list<CrawlRun>('crawlruns');
    const slot = Date.parse(created?.spec.trigger?.scheduledTime ?? '') / 1_000;
    expect(created?.metadata.name).toBe(`shop-${slot}`);
    const owner = await get<CrawlSchedule>('crawlschedule', 'shop');
    expect(created?.metadata.ownerReferences).toMatchObject([
      { kind: 'CrawlSchedule', uid: owner.metadata.uid, controller: true },
    ]);
    await eventually(async () => {
      const { status } = await get<CrawlSchedule>('crawlschedule', 'shop');
      expect(status).toMatchObject({
        activeCount: 1,
        active: [created?.metadata.name],
        lastRun: { name: created?.metadata.name },
      });
      expect(status?.nextScheduleTimes).toHaveLength(5);
    });
  });

  test('under Forbid skips slots while its run is active, with an Event', async () => {
    startOperator();
    await apply(schedule('shop', { concurrencyPolicy: 'Forbid' }));
    await eventually(async () =>
      expect((await get<CrawlSchedule>('crawlschedule', 'shop')).status?.lastSkippedTime).toBeDefined(),
    );
    await eventually(async () => expect(await reasons()).toContain('JobAlreadyActive'));
    expect(await list('crawlruns')).toHaveLength(1);
  });

  test('under Replace stops the old run and starts the new one', async () => {
    startOperator();
    await apply(
      schedule('shop', { concurrencyPolicy: 'Replace', schedule: '*/2 * * * * *', successfulRunsHistoryLimit: 100 }),
    );
    await eventually(async () => {
      const runs = await list<CrawlRun>('crawlruns');
      expect(runs.filter((one) => one.status?.phase === 'Stopped')).not.toEqual([]);
      expect(runs.filter((one) => one.spec.shutdown === undefined)).toHaveLength(1);
    });
  });

  test('that is suspended makes no runs, and none for that time after it is resumed', async () => {
    startOperator();
    await apply(
      schedule('shop', { suspend: true, concurrencyPolicy: 'Allow', catchUp: { policy: 'All', maxRuns: 100 } }),
    );
    await eventually(async () =>
      expect(condition(await get<CrawlSchedule>('crawlschedule', 'shop'), 'Ready')?.reason).toBe('Suspended'),
    );
    const { timing } = (await get<CrawlSchedule>('crawlschedule', 'shop')).status ?? {};
    await eventually(async () => expect(Date.now()).toBeGreaterThan(Date.parse(timing?.since ?? '') + 3_000));
    expect(await list('crawlruns')).toEqual([]);
    await patch('crawlschedule', 'shop', { suspend: false });
    await eventually(async () => expect(await list('crawlruns')).not.toEqual([]));
    const resumed = Date.parse((await get<CrawlSchedule>('crawlschedule', 'shop')).status?.timing?.since ?? '');
    const slots = (await list<CrawlRun>('crawlruns')).map((one) => Date.parse(one.spec.trigger?.scheduledTime ?? ''));
    expect(Math.min(...slots)).toBeGreaterThan(resumed);
  });

  test('that cannot be read is not Ready, says why, and works after an edit', async () => {
    startOperator();
    await apply(schedule('shop', { schedule: '99 * * * *' }));
    await eventually(async () =>
      expect(condition(await get<CrawlSchedule>('crawlschedule', 'shop'), 'Ready')).toMatchObject({
        status: 'False',
        reason: 'InvalidSchedule',
      }),
    );
    await patch('crawlschedule', 'shop', { schedule: '* * * * * *' });
    await eventually(async () => expect(await list('crawlruns')).toHaveLength(1));
  });

  test('leaves a CrawlRun of somebody else alone when it has the name of a slot', async () => {
    const soon = Math.floor(Date.now() / 1_000) + 6;
    await apply(run(`shop-${soon}`));
    const at = new Date(soon * 1_000);
    startOperator();
    await apply(schedule('shop', { schedule: `${at.getUTCSeconds()} ${at.getUTCMinutes()} * * * *` }));
    await eventually(async () => expect(await reasons()).toContain('UnexpectedRun'));
    expect((await get<CrawlRun>('crawlrun', `shop-${soon}`)).metadata.ownerReferences).toBeUndefined();
  });

  test('makes no slot again though its run is deleted and its status is written over', async () => {
    startOperator();
    const at = new Date(Date.now() + 5_000);
    await apply(schedule('shop', { schedule: `${at.getUTCSeconds()} ${at.getUTCMinutes()} * * * *` }));
    await eventually(async () => expect(await list('crawlruns')).toHaveLength(1));
    const [made] = await list<CrawlRun>('crawlruns');
    await kubectl(['delete', 'crawlrun', made?.metadata.name ?? '', '-n', namespace]);
    const { status } = await get<CrawlSchedule>('crawlschedule', 'shop');
    // As a late answer to a wiped status leaves it: there, but without the times.
    const value = { timing: { ...status?.timing, since: '2020-01-01T00:00:00Z' }, activeCount: 0 };
    const body = JSON.stringify([{ op: 'replace', path: '/status', value }]);
    const flags = ['-n', namespace, '--subresource=status', '--type=json', '-p', body];
    await kubectl(['patch', 'crawlschedule', 'shop', ...flags]);
    await eventually(async () =>
      expect(condition(await get<CrawlSchedule>('crawlschedule', 'shop'), 'Ready')?.status).toBe('True'),
    );
    expect(await list('crawlruns')).toEqual([]);
  });

  test('keeps as many finished runs as it says', async () => {
    startOperator();
    const ends = { shutdown: 'Stop' };
    await apply(
      schedule('shop', { concurrencyPolicy: 'Replace', schedule: '*/2 * * * * *', successfulRunsHistoryLimit: 1 }),
    );
    await eventually(async () =>
      expect((await reasons()).filter((reason) => reason === 'RunStopped').length).toBeGreaterThan(2),
    );
    await patch('crawlschedule', 'shop', { suspend: true });
    for (const active of await list<CrawlRun>('crawlruns')) await patch('crawlrun', active.metadata.name, ends);
    await eventually(async () => {
      const runs = await list<CrawlRun>('crawlruns');
      expect(runs.map((one) => one.status?.phase)).toEqual(['Stopped']);
    });
  });

  test('under Queue lets runs wait for the one before, as many as it says', async () => {
    startOperator();
    await apply(schedule('shop', { concurrencyPolicy: 'Queue', maxQueuedRuns: 1, schedule: '*/2 * * * * *' }));
    await eventually(async () => expect(await reasons()).toContain('QueueFull'));
    await patch('crawlschedule', 'shop', { suspend: true });
    const [first, second, ...others] = (await list<CrawlRun>('crawlruns')).toSorted((a, b) =>
      a.metadata.name.localeCompare(b.metadata.name),
    );
    expect(others).toEqual([]);
    expect([first?.status?.phase, second?.status?.phase]).toEqual(['Pending', 'Queued']);
    await patch('crawlrun', first?.metadata.name ?? '', { shutdown: 'Stop' });
    await eventually(async () =>
      expect((await get<CrawlRun>('crawlrun', second?.metadata.name ?? '')).status?.phase).toBe('Pending'),
    );
  });

  test('after another one makes a run when a run of that one has given results, and refuses a loop', async () => {
    startOperator();
    await apply(schedule('second', { schedule: undefined, after: { schedule: 'first' } }));
    await eventually(async () =>
      expect(condition(await get<CrawlSchedule>('crawlschedule', 'second'), 'Ready')).toMatchObject({
        status: 'False',
        reason: 'UnknownSchedule',
      }),
    );
    await apply(schedule('first', { schedule: '0 0 1 1 *' }));
    await eventually(async () =>
      expect(condition(await get<CrawlSchedule>('crawlschedule', 'second'), 'Ready')?.status).toBe('True'),
    );
    const first = await get<CrawlSchedule>('crawlschedule', 'first');
    const completionTime = `${new Date(Date.now() + 1_000).toISOString().slice(0, 19)}Z`;
    const done = {
      type: 'Finished',
      status: 'True',
      reason: 'Succeeded',
      message: '',
      lastTransitionTime: completionTime,
    };
    const owner = {
      apiVersion: first.apiVersion,
      kind: first.kind,
      name: 'first',
      uid: first.metadata.uid,
      controller: true,
    };
    await apply({ ...run('first-1'), metadata: { name: 'first-1', namespace, ownerReferences: [owner] } });
    // No kubelet here: the end of a crawl is written by hand.
    const status = { phase: 'Succeeded', completionTime, conditions: [done, { ...done, type: 'Complete' }] };
    await kubectl([
      'patch',
      'crawlrun',
      'first-1',
      '-n',
      namespace,
      '--subresource=status',
      '--type=merge',
      '-p',
      JSON.stringify({ status }),
    ]);
    const name = `second-${Date.parse(completionTime) / 1_000}`;
    await eventually(async () => expect((await get<CrawlRun>('crawlrun', name)).spec.scheduleName).toBe('second'));
    await patch('crawlschedule', 'first', { schedule: null, after: { schedule: 'second' } });
    await eventually(async () =>
      expect(condition(await get<CrawlSchedule>('crawlschedule', 'first'), 'Ready')).toMatchObject({
        reason: 'ScheduleLoop',
        message: 'spec.after.schedule: first after second after first is a loop',
      }),
    );
  });
});
