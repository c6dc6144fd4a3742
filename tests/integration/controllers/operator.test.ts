// The whole operator against a real API server with its controllers, and a real PostgreSQL. No kubelet: pods stay
// pending, so that every step before and after the crawl can be looked at.
import { randomUUID } from 'node:crypto';
import { execa } from 'execa';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type { ActiveLimits } from '#src/controllers/run/admission.ts';
import type { CrawlRun, CrawlSchedule } from '#src/custom-resources/types.ts';
import type { WorkerStore } from '#src/gateway/protocol/worker-store.ts';
import type { Job, Pod, Secret } from '#src/kube/builtin-types.ts';
import { timestamp } from '#src/kube/time.ts';
import { crawlRunSpec } from '#src/resources/crawl-run.ts';
import { createToken, hashToken } from '#src/store/run-token.ts';
import { binary } from '../../../dev/setup/kubernetes-binaries.mjs';
import { type ControlPlane, startControlPlane } from '../../support/control-plane.ts';
import { installCrds } from '../../support/crds.ts';
import { testClient } from '../../support/database-connections.ts';
import { type DatabaseWorker, databaseHeartbeats, databaseWorkerStore } from '../../support/gateway.ts';
import { gatewayDatabaseUrl } from '../../support/gateway-login.ts';
import { type PostgresServer, startPostgres, type TestDatabase } from '../../support/postgres.ts';
import {
  GATEWAY,
  MAINTENANCE,
  type RunningOperator,
  startOperator as startOperatorOn,
} from '../../support/running-operator.ts';
import { done, heartbeat } from '../store/fixture.ts';

const never = new AbortController().signal;
let cluster: ControlPlane;
let postgres: PostgresServer;
let database: TestDatabase;
let namespace: string;
let count = 0;

beforeAll(async () => {
  [cluster, postgres] = await Promise.all([startControlPlane({ controllerManager: true }), startPostgres(15)]);
  await installCrds(cluster);
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

async function get<T>(kind: string, name: string, where = namespace): Promise<T> {
  return JSON.parse(await kubectl(['get', kind, name, '-n', where, '-o', 'json'])) as T;
}

async function list<T>(kind: string): Promise<T[]> {
  return (JSON.parse(await kubectl(['get', kind, '-n', namespace, '-o', 'json'])) as { items: T[] }).items;
}

/** Looks again until the assertions hold. */
const eventually = (assertions: () => Promise<void>) => vi.waitFor(assertions, { timeout: 45_000, interval: 200 });

const running: RunningOperator[] = [];

/** Limits count the runs of all namespaces: nothing of this test stays for the next. */
afterEach(async () => {
  await Promise.all(running.splice(0).map((operator) => operator.stop()));
  await kubectl(['delete', 'crawlschedules,crawlruns', '--all', '-n', namespace]);
});

/** Spans that operators made, with the UIDs of their runs. */
const traced: [string, string][] = [];

function startOperator(databaseUrl = database.ownerUrl, limits: ActiveLimits = {}): RunningOperator {
  const operator = startOperatorOn(cluster.kubeconfigPath, databaseUrl, {
    limits,
    maintenance: { ...MAINTENANCE, retentionDays: 2 },
    traces: { addRun: (runId, { name }) => traced.push([runId, name]), add: () => {}, close: async () => {} },
  });
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

/** How the worker of a run's pod reaches the database. */
async function accessOf(name: string): Promise<DatabaseWorker> {
  const pod = (await list<Pod>('pods')).find(
    ({ metadata }) => metadata.labels?.['batch.kubernetes.io/job-name'] === name,
  );
  const secret = await get<Secret>('secret', name);
  const read = (key: string) => Buffer.from(secret.data?.[key] ?? '', 'base64').toString('utf8');
  return {
    ...{ databaseUrl: await gatewayDatabaseUrl(cluster.kubeconfigPath, database.ownerUrl), token: read('token') },
    ...{ schema: 'trawler', workerId: pod?.metadata.uid ?? '' },
  };
}

/** As the worker of the run's pod does: its only page dies. Resolves when the run has ended. */
async function failItsPage(name: string): Promise<void> {
  await eventually(async () => expect((await accessOf(name)).workerId).not.toBe(''));
  const access = await accessOf(name);
  const [worker, heartbeats] = [databaseWorkerStore(access), databaseHeartbeats(access)];
  await heartbeats.beat(heartbeat, never);
  await worker.seed([{ source: 'shop', url: 'http://shop.example/', host: 'shop.example', depth: 0 }], never);
  const result = await worker.claim(1, never);
  const claims = result.state === 'Claimed' ? result.claims : [];
  const dead = { type: 'dead', cause: 'Timeout', message: 'no answer' } as const;
  await worker.commit(
    claims.map((claim) => ({ ...dead, claim })),
    never,
  );
  expect(await worker.finish(never)).toBe(true);
  await Promise.all([worker.close(), heartbeats.close()]);
  await kubectl(['wait', '-n', namespace, '--for=condition=Finished', `crawlrun/${name}`, '--timeout=45s']);
}

/** Claims and commits as a worker does, with one heartbeat, until the signal. */
async function crawlOneHost(access: DatabaseWorker, signal: AbortSignal): Promise<void> {
  const [worker, heartbeats] = [databaseWorkerStore(access), databaseHeartbeats(access)];
  await heartbeats.beat(heartbeat, never);
  await worker.seed(
    Array.from({ length: 900 }, (_, page) => ({
      ...{ source: 'shop', url: `http://shop.example/${page}`, host: 'shop.example', depth: 0 },
    })),
    never,
  );
  while (!signal.aborted) {
    const result = await worker.claim(5, never);
    if (result.state === 'Claimed')
      await worker.commit(
        result.claims.map((claim) => done(claim)),
        never,
      );
    else await new Promise((resolve) => setTimeout(resolve, result.state === 'Wait' ? result.retryInMs : 100));
  }
  await Promise.all([worker.close(), heartbeats.close()]);
}

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
    expect(job.spec).toMatchObject({
      completionMode: 'Indexed',
      completions: 2,
      parallelism: 2,
      backoffLimitPerIndex: 6,
    });
    const secret = await get<Secret>('secret', 'shop');
    expect(secret.metadata.ownerReferences).toMatchObject([{ kind: 'CrawlRun', uid: created.metadata.uid }]);
    expect(Object.keys(secret.data ?? {}).sort()).toEqual(['ca.crt', 'token']);
    const snapshot = (await store.snapshots(AbortSignal.timeout(5_000))).get(created.metadata.uid);
    expect(snapshot).toMatchObject({ name: 'shop', namespace, state: 'Accepted' });
  });

  test('gets what its workers trust: what has signed the certificate of the gateway', async () => {
    startOperator();
    await apply(run('shop'));
    await eventually(async () => expect(await list<Job>('jobs')).toHaveLength(1));
    const text = ({ data }: Secret, key: string) => Buffer.from(data?.[key] ?? '', 'base64').toString('utf8');
    const gateway = await get<Secret>('secret', 'trawler-gateway-tls', 'default');
    expect(text(await get<Secret>('secret', 'shop'), 'ca.crt')).toBe(text(gateway, 'ca.crt'));
    expect((await get<Job>('job', 'shop')).spec?.template.spec?.containers[0]?.env).toContainEqual({
      name: 'TRAWLER_GATEWAY_URL',
      value: 'https://trawler-gateway.trawler-system.svc:8443',
    });
  });

  test('whose Secret trusts a gateway of before gets another with the same token, as long as its pods can use it', async () => {
    const operator = startOperator();
    await apply(run('shop'));
    await eventually(async () => expect(await list<Job>('jobs')).toHaveLength(1));
    const before = await get<Secret>('secret', 'shop');
    await operator.stop();
    await kubectl(['delete', 'secret', 'trawler-gateway-tls', 'trawler-gateway-tls-authority', '-n', 'default']);
    startOperator();
    await eventually(async () => {
      const after = await get<Secret>('secret', 'shop');
      expect(after.data?.['ca.crt']).not.toBe(before.data?.['ca.crt']);
      expect(after.data?.['token']).toBe(before.data?.['token']);
    });
  });

  test('of an operator that gave its pods a login of the database keeps its Secret', async () => {
    const operator = startOperator();
    await apply(run('shop'));
    await eventually(async () => expect((await get<CrawlRun>('crawlrun', 'shop')).status?.jobName).toBe('shop'));
    await operator.stop();
    const old = { 'database-url': Buffer.from('postgres://a:b@c/d').toString('base64'), 'ca.crt': null };
    await kubectl(['patch', 'secret', 'shop', '-n', namespace, '--type=merge', '-p', JSON.stringify({ data: old })]);
    const before = await get<Secret>('secret', 'shop');
    const admin = testClient(database.superuserUrl);
    await admin.connect();
    await admin.query('delete from trawler.run_token');
    startOperator();
    // Its credentials are looked at once more, as the token shows that is there again.
    await eventually(async () =>
      expect((await admin.query('select from trawler.run_token')).rowCount).toBeGreaterThan(0),
    );
    await admin.end();
    expect(await get<Secret>('secret', 'shop')).toEqual(before);
  });

  test('that has the dead letters of another goes on when that is deleted and the operator is another', async () => {
    const operator = startOperator();
    await apply(run('first'));
    await failItsPage('first');
    await apply(run('second', { trigger: { type: 'Retry', retryOf: 'first', only: 'Dead' } }));
    await eventually(async () => expect((await get<Job>('job', 'second')).metadata.name).toBe('second'));
    await operator.stop();
    await kubectl(['delete', 'crawlrun', 'first', '-n', namespace]);
    const admin = testClient(database.superuserUrl);
    await admin.connect();
    await admin.query('delete from trawler.run_token');
    startOperator();
    // Its credentials are looked at once more, as the token shows that is there again.
    await eventually(async () => {
      const { status } = await get<CrawlRun>('crawlrun', 'second');
      expect(status?.message).not.toContain('there is no CrawlRun');
      expect((await admin.query('select from trawler.run_token')).rowCount).toBeGreaterThan(0);
    });
    await admin.end();
    expect((await get<CrawlRun>('crawlrun', 'second')).status).toMatchObject({
      phase: 'Pending',
      progress: { total: 1, queued: 1 },
    });
  });

  test('that waits in line keeps the run whose dead letters it takes until it has them', async () => {
    startOperator(database.ownerUrl, { total: 1 });
    await apply(run('first'));
    await failItsPage('first');
    await apply(run('busy'));
    await eventually(async () => expect((await get<Job>('job', 'busy')).metadata.name).toBe('busy'));
    await apply(run('second', { trigger: { type: 'Retry', retryOf: 'first', only: 'Dead' } }));
    await eventually(async () => expect((await get<CrawlRun>('crawlrun', 'second')).status?.phase).toBe('Queued'));
    await patch('crawlrun', 'first', { ttlSecondsAfterFinished: 1 });
    await apply(run('other', { shutdown: 'Stop', ttlSecondsAfterFinished: 1 }));
    const names = async () => (await list<CrawlRun>('crawlruns')).map(({ metadata }) => metadata.name);
    await eventually(async () => expect(await names()).not.toContain('other'));
    expect(await names()).toContain('first');
    await patch('crawlrun', 'busy', { shutdown: 'Stop' });
    await eventually(async () => expect(await names()).not.toContain('first'));
    await eventually(async () =>
      expect((await get<CrawlRun>('crawlrun', 'second')).status).toMatchObject({
        ...{ phase: 'Pending', progress: { total: 1, queued: 1 } },
      }),
    );
  });

  test('whose gateway has no certificate yet says so, and begins when there is one', async () => {
    const tls = { source: 'Existing', secretName: 'issued' } as const;
    running.push(startOperatorOn(cluster.kubeconfigPath, database.ownerUrl, { gateway: { ...GATEWAY, tls } }));
    await apply(run('shop'));
    await eventually(async () =>
      expect(condition(await get<CrawlRun>('crawlrun', 'shop'), 'Accepted')).toMatchObject({
        status: 'False',
        reason: 'GatewayNotReady',
        message: expect.stringContaining("the Secret default/issued with the gateway's certificate does not exist"),
      }),
    );
    const authority = '-----BEGIN CERTIFICATE-----';
    await kubectl(['create', 'secret', 'generic', 'issued', '-n', 'default', `--from-literal=ca.crt=${authority}`]);
    await eventually(async () => expect(await list<Job>('jobs')).toHaveLength(1));
    const { data } = await get<Secret>('secret', 'shop');
    expect(Buffer.from(data?.['ca.crt'] ?? '', 'base64').toString('utf8')).toBe(authority);
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
    await eventually(async () => expect(traced.filter(([runId]) => runId === stopped.metadata.uid)).toHaveLength(1));
    await eventually(async () => expect(await list('secrets')).toEqual([]));
  });

  test('in a queue of Kueue is stopped by the deadline of its Job, which Kueue does not take back', async () => {
    startOperator();
    const queued = run('shop') as { metadata: object };
    const labels = { 'kueue.x-k8s.io/queue-name': 'crawls' };
    await apply({ ...queued, metadata: { ...queued.metadata, labels } });
    await eventually(async () => expect((await get<Job>('job', 'shop')).metadata.labels).toMatchObject(labels));
    await patch('job', 'shop', { suspend: false });
    await patch('crawlrun', 'shop', { shutdown: 'Stop' });
    await kubectl(['wait', '-n', namespace, '--for=condition=Finished', 'crawlrun/shop', '--timeout=45s']);
    expect((await get<CrawlRun>('crawlrun', 'shop')).status?.phase).toBe('Stopped');
    const job = await get<Job>('job', 'shop');
    expect(job.spec).toMatchObject({ suspend: false, activeDeadlineSeconds: 1 });
    expect(job.status?.conditions).toContainEqual(
      expect.objectContaining({ type: 'Failed', status: 'True', reason: 'DeadlineExceeded' }),
    );
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
    await eventually(async () => expect((await get<CrawlRun>('crawlrun', 'shop')).status?.phase).toBe('Failed'));
    expect(condition(await get<CrawlRun>('crawlrun', 'shop'), 'Failed')).toMatchObject({
      reason: 'JobDeleted',
      message: expect.stringContaining('its Job was deleted twice'),
    });
  });

  test('whose hosts refuse it says so once, and is Failed for that reason when its workers give up', async () => {
    startOperator();
    await apply(run('shop', { proxy: { urlSecretRef: { name: 'proxy' }, mode: 'Auto' } }));
    await eventually(async () => expect(await list<Job>('jobs')).toHaveLength(1));
    expect((await get<Job>('job', 'shop')).spec?.template.spec?.volumes).toContainEqual({
      name: 'proxy',
      secret: { secretName: 'proxy', items: [{ key: 'url', path: 'url' }], defaultMode: 0o440, optional: true },
    });
    const secret = await get<Secret>('secret', 'shop');
    const read = (key: string) => Buffer.from(secret.data?.[key] ?? '', 'base64').toString('utf8');
    const access = {
      databaseUrl: await gatewayDatabaseUrl(cluster.kubeconfigPath, database.ownerUrl),
      token: read('token'),
      schema: 'trawler',
    };
    const worker = databaseWorkerStore({ ...access, workerId: randomUUID() });
    const signal = AbortSignal.timeout(60_000);
    await worker.reportBlock('shop.example', 'a Cloudflare challenge', signal);
    await eventually(async () => expect(await reasons()).toContain('HostBlocked'));
    await worker.reportBlock('shop.example', 'another', signal);
    await worker.reportFailure('api.example', { failureThreshold: 1, cooldownMs: 8_000, evidence: 'Timeout' }, signal);
    const trap = { kind: 'Calendar', pattern: 'shop.example/{date}', url: 'http://shop.example/2199-01' } as const;
    await worker.reportTrap(trap, signal);
    await worker.reportTrap({ ...trap, url: 'http://shop.example/2199-02' }, signal);
    await worker.close();
    await eventually(async () => expect(await reasons()).toContain('HostByProxy'));
    await eventually(async () => expect(await reasons()).toContain('SpiderTrap'));
    expect((await get<CrawlRun>('crawlrun', 'shop')).status?.spiderTraps).toEqual([trap]);
    await eventually(async () => expect(await reasons()).toContain('HostDirect'));
    await eventually(async () =>
      expect((await get<CrawlRun>('crawlrun', 'shop')).status?.blockedHosts).toEqual([
        { host: 'shop.example', refusals: 2, evidence: 'a Cloudflare challenge', slowdown: 4, viaProxy: false },
        { host: 'api.example', refusals: 0, evidence: 'Timeout', slowdown: 1, viaProxy: false },
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
    const told = await reasons();
    for (const once of ['HostBlocked', 'SpiderTrap']) expect(told.filter((reason) => reason === once)).toEqual([once]);
  });

  test('that waits for a host since another run uses it says so, and no more when it has the host alone', async () => {
    startOperator();
    const politeness = { requestsPerSecond: 5 };
    for (const name of ['first', 'second']) await apply(run(name, { politeness }));
    await eventually(async () => expect(await list<Pod>('pods')).toHaveLength(2));
    const [stopSecond, stopAll] = [new AbortController(), new AbortController()];
    const crawls = [
      crawlOneHost(await accessOf('first'), stopAll.signal),
      crawlOneHost(await accessOf('second'), AbortSignal.any([stopSecond.signal, stopAll.signal])),
    ];
    try {
      const message =
        'the run waits for its turns at shop.example, which another run asks as well; spec.priority weighs their parts';
      for (const name of ['first', 'second']) {
        await eventually(async () => {
          const seen = await get<CrawlRun>('crawlrun', name);
          expect(condition(seen, 'Progressing')).toMatchObject({ status: 'True', reason: 'HostShared', message });
          expect(seen.status?.reason).toBe('HostShared');
        });
      }
      stopSecond.abort();
      await eventually(async () =>
        expect(condition(await get<CrawlRun>('crawlrun', 'first'), 'Progressing')?.reason).toBe('Crawling'),
      );
    } finally {
      stopAll.abort();
      await Promise.all(crawls);
    }
  }, 120_000);

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
        message: expect.stringContaining('in line of queue default, since 1 active runs are the limit'),
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

/** A policy as a cluster's owner may have it: the API server answers 422 to new Jobs of the namespace. */
async function refuseFurtherJobs(): Promise<AsyncDisposable> {
  const name = `no-jobs-${namespace}`;
  const group = { apiVersion: 'admissionregistration.k8s.io/v1', metadata: { name } };
  await apply({
    ...group,
    kind: 'ValidatingAdmissionPolicy',
    spec: {
      matchConstraints: {
        resourceRules: [{ apiGroups: ['batch'], apiVersions: ['v1'], operations: ['CREATE'], resources: ['jobs'] }],
      },
      validations: [{ expression: 'false', message: 'no further Jobs here' }],
    },
  });
  const namespaceSelector = { matchLabels: { 'kubernetes.io/metadata.name': namespace } };
  await apply({
    ...group,
    kind: 'ValidatingAdmissionPolicyBinding',
    spec: { policyName: name, validationActions: ['Deny'], matchResources: { namespaceSelector } },
  });
  await eventually(async () => {
    const probe = kubectl(['create', 'job', 'probe', '-n', namespace, '--image=none', '--dry-run=server']);
    await expect(probe).rejects.toThrow('no further Jobs here');
  });
  return {
    async [Symbol.asyncDispose]() {
      await kubectl(['delete', 'validatingadmissionpolicybindings,validatingadmissionpolicies', name]);
    },
  };
}

describe('a CrawlRun with an output', () => {
  const claim = (name: string, accessMode: string) =>
    apply({
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { name, namespace },
      spec: { accessModes: [accessMode], resources: { requests: { storage: '1Mi' } } },
    });

  /** What a worker of the run would be: its credentials, and the place of one of its pods. */
  async function workerOf(name: string): Promise<WorkerStore> {
    const { data = {} } = await get<Secret>('secret', name);
    const [pod] = await list<Pod>('pods');
    const decode = (key: string) => Buffer.from(data[key] ?? '', 'base64').toString('utf8');
    return databaseWorkerStore({
      databaseUrl: await gatewayDatabaseUrl(cluster.kubeconfigPath, database.ownerUrl),
      schema: 'trawler',
      token: decode('token'),
      workerId: pod?.metadata.uid ?? '',
    });
  }

  async function workerOfRunWithOutput(): Promise<WorkerStore> {
    startOperator();
    await claim('results', 'ReadWriteOnce');
    await apply(run('shop', { output: { volumeClaim: 'results' } }));
    await eventually(async () => expect(await list<Pod>('pods')).toHaveLength(1));
    return workerOf('shop');
  }

  async function podsOfJob(name: string | undefined): Promise<Pod[]> {
    const pods = await list<Pod>('pods');
    return pods.filter(({ metadata }) => metadata.labels?.['batch.kubernetes.io/job-name'] === name);
  }

  /** One page with one item. */
  async function crawlOnePage(worker: WorkerStore): Promise<void> {
    const seeds = ['a', 'b'].map((page) => {
      return { source: 'shop', url: `http://shop.example/${page}`, host: 'shop.example', depth: 0 };
    });
    await worker.seed(seeds, never);
    const claimed = await vi.waitFor(async () => {
      const result = await worker.claim(1, never);
      if (result.state !== 'Claimed') throw new Error(result.state);
      return result;
    }, 30_000);
    const items = [{ title: 'A' }];
    await worker.commit(
      claimed.claims.map((claim) => ({ claim, type: 'done', items, links: [] })),
      never,
    );
  }

  test('waits for its volume, which its pods mount as their own group', async () => {
    startOperator();
    await apply(run('shop', { output: { volumeClaim: 'results' } }));
    await eventually(async () =>
      expect(condition(await get<CrawlRun>('crawlrun', 'shop'), 'JobCreated')).toMatchObject({
        status: 'False',
        reason: 'VolumeClaimMissing',
      }),
    );
    await claim('results', 'ReadWriteOnce');
    await eventually(async () => expect(await list<Job>('jobs')).toHaveLength(1));
    const { spec } = (await get<Job>('job', 'shop')).spec?.template ?? {};
    expect(spec?.securityContext).toMatchObject({ fsGroup: 65_532, runAsNonRoot: true });
    expect(spec?.volumes).toContainEqual({ name: 'output', persistentVolumeClaim: { claimName: 'results' } });
    expect(spec?.containers[0]?.volumeMounts).toContainEqual({ name: 'output', mountPath: '/output' });
    expect(condition(await get<CrawlRun>('crawlrun', 'shop'), 'OutputWritten')).toMatchObject({
      status: 'False',
      reason: 'CrawlNotOver',
    });
  });

  test.each(['ReadWriteOnce', 'ReadWriteOncePod'])('and several workers is refused a claim with %s', async (mode) => {
    startOperator();
    await claim('results', mode);
    await apply(run('shop', { workers: 2, output: { volumeClaim: 'results' } }));
    await kubectl(['wait', '-n', namespace, '--for=condition=Failed', 'crawlrun/shop', '--timeout=45s']);
    const refused = await get<CrawlRun>('crawlrun', 'shop');
    expect(refused.status?.phase).toBe('Failed');
    expect(condition(refused, 'Failed')).toMatchObject({
      reason: 'VolumeClaimUnsuitable',
      message: expect.stringContaining('use one worker, or a claim with ReadWriteMany'),
    });
    expect(condition(refused, 'OutputWritten')?.reason).toBe('NothingToWrite');
    expect(await list('jobs')).toEqual([]);
    await eventually(async () => expect(await reasons()).toContain('VolumeClaimUnsuitable'));
  });

  test('that is stopped gets a Job that writes its results, and ends when they are written', async () => {
    const worker = await workerOfRunWithOutput();
    try {
      await crawlOnePage(worker);
      await patch('crawlrun', 'shop', { shutdown: 'Stop' });
      await eventually(async () => expect(await list<Job>('jobs')).toHaveLength(2));
      await eventually(async () => {
        const stopping = await get<CrawlRun>('crawlrun', 'shop');
        expect(stopping.status).toMatchObject({ phase: 'Stopping', progress: { stage: 'Writing output' } });
        expect(condition(stopping, 'Progressing')?.reason).toBe('WritingOutput');
      });
      const writing = (await list<Job>('jobs')).find(({ metadata }) => metadata.name !== 'shop');
      expect(writing?.spec).toMatchObject({ completions: 1, parallelism: 1 });
      const writer = await workerOf('shop');
      const lease = await writer.leaseOutput(never);
      if (lease.state !== 'Leased') throw new Error(lease.state);
      await writer.settleOutput(lease.fence, { path: 'shop.jsonl', bytes: 62, items: 1, sha256: 'abc' }, never);
      await writer.close();
    } finally {
      await worker.close();
    }
    await kubectl(['wait', '-n', namespace, '--for=condition=Complete', 'crawlrun/shop', '--timeout=45s']);
    const stopped = await get<CrawlRun>('crawlrun', 'shop');
    expect(stopped.status).toMatchObject({
      phase: 'Stopped',
      output: { path: 'shop.jsonl', bytes: 62, items: 1, sha256: 'abc' },
    });
    expect(condition(stopped, 'OutputWritten')).toMatchObject({ status: 'True', reason: 'OutputWritten' });
  });

  test('that is stopped gets another Job when the first one is done and PostgreSQL has lost what it wrote down', async () => {
    const worker = await workerOfRunWithOutput();
    try {
      await crawlOnePage(worker);
      await patch('crawlrun', 'shop', { shutdown: 'Stop' });
      const writing = async () => (await list<Job>('jobs')).filter(({ metadata }) => metadata.name !== 'shop');
      await eventually(async () => expect(await writing()).toHaveLength(1));
      const [first] = await writing();
      await eventually(async () => expect(await podsOfJob(first?.metadata.name)).toHaveLength(1));
      const [pod] = await podsOfJob(first?.metadata.name);
      // Its worker has ended well; what it told PostgreSQL is not there any more.
      const status = JSON.stringify({ status: { phase: 'Succeeded' } });
      const target = ['patch', 'pod', pod?.metadata.name ?? '', '-n', namespace, '--subresource=status'];
      await kubectl([...target, '--type=merge', '-p', status]);
      await eventually(async () => {
        const [second, ...others] = await writing();
        expect(others).toEqual([]);
        expect(second?.metadata.name).toBe(first?.metadata.name);
        expect(second?.metadata.uid).not.toBe(first?.metadata.uid);
      });
      const writer = await workerOf('shop');
      const lease = await writer.leaseOutput(never);
      if (lease.state !== 'Leased') throw new Error(lease.state);
      await writer.settleOutput(lease.fence, { path: 'shop.jsonl', bytes: 62, items: 1, sha256: 'abc' }, never);
      await writer.close();
    } finally {
      await worker.close();
    }
    await kubectl(['wait', '-n', namespace, '--for=condition=Complete', 'crawlrun/shop', '--timeout=45s']);
    expect((await get<CrawlRun>('crawlrun', 'shop')).status).toMatchObject({ phase: 'Stopped', output: { items: 1 } });
  });

  test('has failed when its stopped crawl may not have the Job that writes the results', async () => {
    const worker = await workerOfRunWithOutput();
    try {
      await crawlOnePage(worker);
      await using _refusal = await refuseFurtherJobs();
      await patch('crawlrun', 'shop', { shutdown: 'Stop' });
      await kubectl(['wait', '-n', namespace, '--for=condition=Failed', 'crawlrun/shop', '--timeout=45s']);
    } finally {
      await worker.close();
    }
    expect((await get<CrawlRun>('crawlrun', 'shop')).status?.message).toContain('no further Jobs here');
    await eventually(async () => expect(await reasons()).toContain('JobRefused'));
  });

  test('has failed when a quota has no room for the Job that writes the results, as long as a start may take', async () => {
    startOperator();
    await claim('results', 'ReadWriteOnce');
    await apply(run('shop', { output: { volumeClaim: 'results' }, startTimeoutSeconds: 10 }));
    await eventually(async () => expect(await list<Pod>('pods')).toHaveLength(1));
    const worker = await workerOf('shop');
    try {
      await crawlOnePage(worker);
      const quota = { hard: { 'count/jobs.batch': '1' } };
      await apply({ apiVersion: 'v1', kind: 'ResourceQuota', metadata: { name: 'few', namespace }, spec: quota });
      await kubectl(['wait', '-n', namespace, '--for=jsonpath={.status.used}', 'resourcequota/few', '--timeout=45s']);
      await patch('crawlrun', 'shop', { shutdown: 'Stop' });
      await kubectl(['wait', '-n', namespace, '--for=condition=Failed', 'crawlrun/shop', '--timeout=45s']);
    } finally {
      await worker.close();
    }
    expect((await get<CrawlRun>('crawlrun', 'shop')).status?.message).toContain('exceeded quota: few');
  });

  test('whose file cannot be written has failed, and says why', async () => {
    startOperator();
    await claim('results', 'ReadWriteOnce');
    await apply(run('shop', { limits: { maxPages: 1 }, output: { volumeClaim: 'results' } }));
    await eventually(async () => expect(await list<Pod>('pods')).toHaveLength(1));
    const worker = await workerOf('shop');
    try {
      await crawlOnePage(worker);
      await vi.waitFor(async () => {
        await worker.claim(1, never); // skips what is beyond the limit
        expect(await worker.finish(never)).toBe(true);
      }, 30_000);
      const lease = await worker.leaseOutput(never);
      if (lease.state !== 'Leased') throw new Error(lease.state);
      await worker.settleOutput(lease.fence, { error: 'the volume is full' }, never);
    } finally {
      await worker.close();
    }
    await kubectl(['wait', '-n', namespace, '--for=condition=Failed', 'crawlrun/shop', '--timeout=45s']);
    const failed = await get<CrawlRun>('crawlrun', 'shop');
    expect(condition(failed, 'Failed')?.reason).toBe('OutputFailed');
    expect(condition(failed, 'OutputWritten')).toMatchObject({
      status: 'False',
      reason: 'OutputFailed',
      message: expect.stringContaining('the volume is full'),
    });
    expect(failed.status?.output).toBeUndefined();
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

  test('has the time between a slot and its run in a metric', async () => {
    const { metrics } = startOperator();
    await apply(schedule('shop', { concurrencyPolicy: 'Forbid' }));
    await eventually(async () => expect(await list('crawlruns')).toHaveLength(1));
    const [run] = await list<CrawlRun>('crawlruns');
    const { values } = await metrics.creationSkew.get();
    const figure = (name: string) => values.find(({ metricName }) => metricName?.endsWith(name))?.value;
    expect(figure('_count')).toBe(1);
    const slot = Date.parse(run?.spec.trigger?.scheduledTime ?? '');
    expect(figure('_sum')).toBeGreaterThan(0);
    expect(figure('_sum')).toBeLessThan((Date.now() - slot) / 1_000);
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
    const completionTime = timestamp(new Date(Date.now() + 1_000));
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

test('days past their time are dropped, and tomorrow has its place', async () => {
  const first = startOperator();
  await apply(run('shop'));
  await eventually(async () => expect(await list<Job>('jobs')).toHaveLength(1));
  await first.stop();
  const client = testClient(database.superuserUrl, { schema: 'trawler' });
  await client.connect();
  const dayOf = (offset: number) => new Date(Date.now() + offset * 86_400_000).toISOString().slice(0, 10);
  await client.query('select ensure_day($1), ensure_day($2)', [dayOf(-2), dayOf(-3)]);
  const days = async () => {
    const tree = `select to_date(right(relid::regclass::text, 8), 'YYYYMMDD')::text as day
      from pg_partition_tree('request') where isleaf order by day`;
    return (await client.query<{ day: string }>(tree)).rows.map(({ day }) => day);
  };
  expect(await days()).toContain(dayOf(-3));
  // As if no operator had been there since the last night.
  await client.query(`delete from execution where type = 'Maintenance'`);
  const { store } = startOperator();
  await eventually(async () => expect(await days()).toEqual([-2, 0, 1].map(dayOf)));
  await eventually(async () => {
    const query = { namespace: 'default', type: 'Maintenance', limit: 10 } as const;
    const done = await store.executions.list(query, AbortSignal.timeout(5_000));
    expect(done).toMatchObject([{ outcome: 'Succeeded', trigger: 'Schedule', work: { days: 1 } }]);
  });
  await eventually(async () => {
    const events = await kubectl(['get', 'events', '-n', 'default', '-o', 'jsonpath={.items[*].reason}']);
    expect(events).toContain('MaintenanceDone');
  });
  await client.end();
});

test('a run that has ended is compared with the one before it', async () => {
  const { store } = startOperator();
  const signal = AbortSignal.timeout(60_000);
  await eventually(() => store.ping(signal));
  const client = testClient(database.superuserUrl, { schema: 'trawler' });
  await client.connect();
  const scheduleUid = randomUUID();
  const end = async (name: string) => {
    const runId = randomUUID();
    const spec = crawlRunSpec.parse({ sources });
    const runDay = new Date().toISOString().slice(0, 10);
    const tokenHash = hashToken(createToken());
    await store.acceptRun({ runId, runDay, namespace, name, scheduleUid, specVersion: 1, spec, tokenHash }, signal);
    await client.query('select end_run(run, null, null) from run where run_id = $1', [runId]);
    return runId;
  };
  // Both are over before the sweep looks for their CrawlRuns.
  await eventually(async () => void (await end('first')));
  const runId = await end('second');
  await eventually(async () => {
    expect(await store.comparisons.counts(runId, signal)).toMatchObject({ with: 'first', urls: { new: 0, gone: 0 } });
  });
  await client.end();
});
