// Runs that are paused, resumed, changed and freed of workers that hang: on a real API server and PostgreSQL, with the Job controller that ends
// and makes their pods. There is no kubelet: the test is what runs in a pod.
import { execa } from 'execa';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import type { ActiveLimits } from '#src/controllers/run/admission.ts';
import type { CrawlRun } from '#src/custom-resources/types.ts';
import type { Claim } from '#src/gateway/protocol/worker-store.ts';
import type { Job, Pod, Secret } from '#src/kube/builtin-types.ts';
import { binary } from '../../../dev/setup/kubernetes-binaries.mjs';
import { type ControlPlane, startControlPlane } from '../../support/control-plane.ts';
import { installCrds } from '../../support/crds.ts';
import { testClient } from '../../support/database-connections.ts';
import { databaseHeartbeats, databaseWorkerStore } from '../../support/gateway.ts';
import { gatewayDatabaseUrl } from '../../support/gateway-login.ts';
import { type PostgresServer, startPostgres, type TestDatabase } from '../../support/postgres.ts';
import { type RunningOperator, startOperator as startOperatorOn } from '../../support/running-operator.ts';
import { claimSome, done, heartbeat } from '../store/fixture.ts';

const never = new AbortController().signal;
const PAGES = 40;
let cluster: ControlPlane;
let postgres: PostgresServer;
let database: TestDatabase;
let namespace: string;
let operator: RunningOperator;
let count = 0;

beforeAll(async () => {
  [cluster, postgres] = await Promise.all([startControlPlane({ controllerManager: true }), startPostgres(18)]);
  await installCrds(cluster);
});
afterAll(async () => {
  await Promise.all([cluster?.stop(), postgres?.stop()]);
});
beforeEach(async () => {
  namespace = `pause-${++count}`;
  database = await postgres.createDatabase({ createRole: true });
  await kubectl(['create', 'namespace', namespace]);
  startOperator();
});
afterEach(async () => {
  await operator.stop();
  await kubectl(['delete', 'crawlruns', '--all', '-n', namespace]);
});

function startOperator(limits: ActiveLimits = {}): void {
  operator = startOperatorOn(cluster.kubeconfigPath, database.ownerUrl, { limits });
}

async function kubectl(args: string[], input?: object): Promise<string> {
  const options = input === undefined ? {} : { input: JSON.stringify(input) };
  return (await execa(binary('kubectl'), [`--kubeconfig=${cluster.kubeconfigPath}`, ...args], options)).stdout;
}
const get = async <T>(kind: string, name: string) =>
  JSON.parse(await kubectl(['get', kind, name, '-n', namespace, '-o', 'json'])) as T;
const patch = (name: string, spec: object) =>
  kubectl(['patch', 'crawlrun', name, '-n', namespace, '--type=merge', '-p', JSON.stringify({ spec })]);
/** As somebody else does it, who is not Trawler. */
const suspendJob = (suspend: boolean) =>
  kubectl(['patch', 'job', 'shop', '-n', namespace, '--type=merge', '-p', JSON.stringify({ spec: { suspend } })]);
const eventually = (assertions: () => Promise<void>) => vi.waitFor(assertions, { timeout: 60_000, interval: 200 });
const phaseOf = async (name: string) => (await get<CrawlRun>('crawlrun', name)).status?.phase;
const untilPhase = (name: string, phase: string) => eventually(async () => expect(await phaseOf(name)).toBe(phase));

async function podsOf(name: string): Promise<Pod[]> {
  const selector = `batch.kubernetes.io/job-name=${name}`;
  return (JSON.parse(await kubectl(['get', 'pods', '-n', namespace, '-l', selector, '-o', 'json'])) as { items: Pod[] })
    .items;
}

const livingPods = async (name: string) =>
  (await podsOf(name)).filter(({ metadata }) => metadata.deletionTimestamp === undefined);

async function apply(name: string, spec: object = {}, labels: object = {}): Promise<void> {
  const sources = [{ name: 'shop', urls: ['http://shop.example/0'] }];
  await kubectl(['apply', '-f', '-'], {
    apiVersion: 'trawler.dev/v1alpha1',
    kind: 'CrawlRun',
    metadata: { name, namespace, labels },
    spec: { sources, politeness: { requestsPerSecond: 1_000 }, heartbeat: { interval: '5s' }, ...spec },
  });
}

/** Puts a pod on a node whose kubelet never comes, where it runs until the test says otherwise. */
async function runOnNode({ metadata: { name } }: Pod): Promise<void> {
  await kubectl(['apply', '-f', '-'], { apiVersion: 'v1', kind: 'Node', metadata: { name: 'test' } });
  const target = { apiVersion: 'v1', kind: 'Node', name: 'test' };
  const binding = { apiVersion: 'v1', kind: 'Binding', metadata: { name }, target };
  await kubectl(['create', '--raw', `/api/v1/namespaces/${namespace}/pods/${name}/binding`, '-f', '-'], binding);
  const container = { name: 'crawler', image: 'x', imageID: 'x', ready: true, restartCount: 0 };
  const state = { running: { startedAt: '2026-01-01T00:00:00Z' } };
  await patchPodStatus(name, { phase: 'Running', containerStatuses: [{ ...container, state }] });
}

/** As its kubelet says that it has ended and takes it away. */
async function endOnNode({ metadata: { name } }: Pod): Promise<void> {
  await patchPodStatus(name, { phase: 'Failed' });
  await kubectl(['delete', 'pod', name, '-n', namespace, '--force', '--grace-period=0', '--wait=false']);
}

const patchPodStatus = (name: string, status: object) =>
  kubectl([
    ...['patch', 'pod', name, '-n', namespace, '--subresource=status', '--type=merge'],
    ...['-p', JSON.stringify({ status })],
  ]);

/** What runs in the run's one pod. */
async function workerOf(name: string, unlike?: string) {
  let workerId = '';
  await eventually(async () => {
    const pod = (await podsOf(name)).find(({ metadata }) => metadata.uid !== unlike);
    workerId = pod?.metadata.uid ?? expect.fail('the Job has no pod yet');
  });
  const secret = await get<Secret>('secret', name);
  const token = Buffer.from(secret.data?.['token'] ?? '', 'base64').toString('utf8');
  const databaseUrl = await gatewayDatabaseUrl(cluster.kubeconfigPath, database.ownerUrl);
  const access = { databaseUrl, token, schema: 'trawler', workerId };
  const [store, heartbeats] = [databaseWorkerStore(access), databaseHeartbeats(access)];
  await heartbeats.beat(heartbeat, never);
  return {
    ...store,
    workerId,
    [Symbol.asyncDispose]: async () => void (await Promise.all([store.close(), heartbeats.close()])),
  };
}

/** Crawls until the run is over; the URLs. */
async function crawlRest(worker: Awaited<ReturnType<typeof workerOf>>): Promise<string[]> {
  const asked: string[] = [];
  while (true) {
    const answer = await worker.claim(20, never);
    if (answer.state === 'Finished') return asked;
    if (answer.state !== 'Claimed') {
      await worker.finish(never);
      continue;
    }
    await worker.commit(
      answer.claims.map((claim: Claim) => done(claim)),
      never,
    );
    asked.push(...answer.claims.map(({ url }) => url));
  }
}

const pages = Array.from({ length: PAGES }, (_, page) => ({
  ...{ source: 'shop', url: `http://shop.example/${page}`, host: 'shop.example', depth: 0 },
}));

async function query<T extends object>(text: string): Promise<T[]> {
  const client = testClient(database.ownerUrl);
  await client.connect();
  try {
    return (await client.query<T>(text)).rows;
  } finally {
    await client.end();
  }
}

test('a paused run loses its pods and nothing else, outlives PostgreSQL and operator, and crawls the rest when it is resumed', async () => {
  await apply('shop', { timeoutSeconds: 600 });
  let first: string;
  const asked: string[] = [];
  {
    await using worker = await workerOf('shop');
    first = worker.workerId;
    await worker.seed(pages, never);
    const claims = await claimSome(worker, 10);
    const crawled = claims.slice(0, 6);
    await worker.commit(
      crawled.map((claim) => done(claim)),
      never,
    );
    asked.push(...crawled.map(({ url }) => url));
    await untilPhase('shop', 'Running');
    await patch('shop', { suspend: true });
    // What it holds is given back, since its pod has gone.
    await untilPhase('shop', 'Paused');
    await eventually(async () => expect(await podsOf('shop')).toEqual([]));
  }
  await eventually(async () => {
    const { status } = await get<CrawlRun>('crawlrun', 'shop');
    expect(status).toMatchObject({
      message: 'paused by spec.suspend',
      progress: { succeeded: 6, queued: PAGES - 6, inFlight: 0, stage: 'Paused' },
    });
  });
  expect((await get<Job>('job', 'shop')).spec?.suspend).toBe(true);

  await operator.stop();
  await postgres.crashAndRestart();
  // Longer than the whole time that the run has.
  await query(
    `update trawler.run set started_at = started_at - interval '2 h', paused_at = paused_at - interval '2 h'`,
  );
  startOperator();
  await patch('shop', { suspend: false });
  await untilPhase('shop', 'Running');
  await using worker = await workerOf('shop', first);
  asked.push(...(await crawlRest(worker)));
  await untilPhase('shop', 'Succeeded');
  expect(asked.toSorted()).toEqual(pages.map(({ url }) => url).toSorted());
  const [items] = await query<{ items: string; pages: string }>(
    'select count(*) as items, count(distinct url_key) as pages from trawler.item',
  );
  expect(items).toEqual({ items: String(PAGES), pages: String(PAGES) });
  const [row] = await query<{ paused: boolean }>('select paused_seconds > 7000 as paused from trawler.run');
  expect(row).toEqual({ paused: true });
}, 180_000);

test('a paused run is stopped', async () => {
  await apply('shop');
  await using worker = await workerOf('shop');
  await worker.seed(pages, never);
  await patch('shop', { suspend: true });
  await untilPhase('shop', 'Paused');
  await patch('shop', { shutdown: 'Stop' });
  await untilPhase('shop', 'Stopped');
}, 120_000);

test('a run that is paused in line is passed, and waits for its turn when it is resumed', async () => {
  await operator.stop();
  startOperator({ total: 1 });
  await apply('paused', { suspend: true, priority: 9 });
  await untilPhase('paused', 'Paused');
  await apply('other');
  await eventually(async () => expect(await podsOf('other')).toHaveLength(1));
  await patch('paused', { suspend: false });
  await untilPhase('paused', 'Queued');
  // A paused run takes no place.
  await patch('other', { suspend: true });
  await eventually(async () => expect(await podsOf('paused')).toHaveLength(1));
}, 120_000);

test('a Job that somebody else has suspended stays so when the run is resumed', async () => {
  await apply('shop');
  await eventually(async () => expect(await podsOf('shop')).toHaveLength(1));
  await suspendJob(true);
  await patch('shop', { suspend: true });
  await untilPhase('shop', 'Paused');
  await patch('shop', { suspend: false });
  await eventually(async () => {
    const { status } = await get<CrawlRun>('crawlrun', 'shop');
    expect(status?.conditions).toContainEqual(expect.objectContaining({ type: 'Progressing', reason: 'JobSuspended' }));
  });
  expect((await get<Job>('job', 'shop')).spec?.suspend).toBe(true);
}, 120_000);

test('a run at work that Kueue suspends stands still, its time with it, and crawls the rest when Kueue resumes it', async () => {
  await apply('shop', { timeoutSeconds: 600 }, { 'kueue.x-k8s.io/queue-name': 'crawls' });
  await kubectl(['wait', '-n', namespace, '--for=create', 'job/shop', '--timeout=60s']);
  await suspendJob(false);
  let first: string;
  {
    await using worker = await workerOf('shop');
    first = worker.workerId;
    await worker.seed(pages, never);
    const claims = await claimSome(worker, 10);
    await worker.commit(
      claims.slice(0, 6).map((claim) => done(claim)),
      never,
    );
    await untilPhase('shop', 'Running');
    await suspendJob(true);
    await eventually(async () => {
      const { status } = await get<CrawlRun>('crawlrun', 'shop');
      const held = { type: 'Progressing', status: 'False', reason: 'JobSuspended' };
      expect(status?.conditions).toContainEqual(expect.objectContaining(held));
      expect(status).toMatchObject({
        phase: 'Running',
        message: 'Job shop waits in queue crawls of Kueue: the run goes on when Kueue admits its Workload',
        progress: { succeeded: 6, queued: PAGES - 6, inFlight: 0 },
      });
    });
  }
  // Longer than the whole time that the run has; the status shows a look after that.
  await query(
    `update trawler.run set started_at = started_at - interval '2 h', paused_at = paused_at - interval '2 h'`,
  );
  await operator.stop();
  startOperator();
  await patch('shop', { priority: 7 });
  await eventually(async () => {
    const { metadata, status } = await get<CrawlRun>('crawlrun', 'shop');
    expect(status?.observedGeneration).toBe(metadata.generation);
  });
  const { status } = await get<CrawlRun>('crawlrun', 'shop');
  expect(status?.phase).toBe('Running');
  expect(status).not.toHaveProperty('stopDeadline');
  expect(status?.conditions?.map(({ type }) => type)).not.toContain('Stalled');
  expect((await get<Job>('job', 'shop')).spec?.suspend).toBe(true);

  await suspendJob(false);
  await using worker = await workerOf('shop', first);
  await eventually(async () => {
    expect(await query('select paused_at, paused_seconds > 7000 as paused from trawler.run')).toEqual([
      { paused_at: null, paused: true },
    ]);
    const { status: resumed } = await get<CrawlRun>('crawlrun', 'shop');
    expect(Date.parse(resumed?.stopDeadline ?? '')).toBeGreaterThan(Date.now());
  });
  await crawlRest(worker);
  await untilPhase('shop', 'Succeeded');
  const [items] = await query<{ items: string; pages: string }>(
    'select count(*) as items, count(distinct url_key) as pages from trawler.item',
  );
  expect(items).toEqual({ items: String(PAGES), pages: String(PAGES) });
}, 180_000);

test('a run in a queue of Kueue says who can pause it, and goes on', async () => {
  await apply('shop', {}, { 'kueue.x-k8s.io/queue-name': 'crawls' });
  await kubectl(['wait', '-n', namespace, '--for=create', 'job/shop', '--timeout=60s']);
  await suspendJob(false);
  await using worker = await workerOf('shop');
  await worker.seed(pages, never);
  await untilPhase('shop', 'Running');
  await patch('shop', { suspend: true });
  await eventually(async () => {
    const { status } = await get<CrawlRun>('crawlrun', 'shop');
    const progressing = status?.conditions?.find(({ type }) => type === 'Progressing');
    expect(progressing).toMatchObject({
      status: 'True',
      message: expect.stringContaining('spec.active of its Workload'),
    });
  });
  expect((await get<Job>('job', 'shop')).spec?.suspend).toBe(false);
  // It crawls: its time goes on.
  expect(await query('select paused_at from trawler.run')).toEqual([{ paused_at: null }]);
}, 120_000);

test('a run that is edited while it lives gets other limits, another pace, more and fewer pods, and another end', async () => {
  await apply('shop', { timeoutSeconds: 600 });
  await using worker = await workerOf('shop');
  await worker.seed(pages, never);
  await untilPhase('shop', 'Running');
  await patch('shop', {
    workers: 3,
    timeoutSeconds: 9_000,
    limits: { maxPages: 20 },
    politeness: { requestsPerSecond: 500 },
  });
  await eventually(async () => expect(await livingPods('shop')).toHaveLength(3));
  const { spec } = await get<Job>('job', 'shop');
  expect(spec).toMatchObject({ completions: 3, activeDeadlineSeconds: 600 + 9_000 + 3_600 });
  const limits = 'select max_pages, delay_ms from trawler.run';
  await eventually(async () => expect(await query(limits)).toEqual([{ max_pages: 20, delay_ms: 2 }]));
  await eventually(async () => {
    const events = await kubectl(['get', 'events', '-n', namespace, '-o', 'jsonpath={.items[*].message}']);
    expect(events).toContain('workers: 1 -> 3, timeoutSeconds: 600 -> 9000, limits.maxPages: 1000 -> 20');
  });

  // The worker that stays keeps what it has leased.
  const leased = await claimSome(worker, 4);
  await patch('shop', { workers: 1 });
  await eventually(async () => expect(await livingPods('shop')).toHaveLength(1));
  expect((await livingPods('shop')).map(({ metadata }) => metadata.uid)).toEqual([worker.workerId]);
  await worker.commit(
    leased.map((claim) => done(claim)),
    never,
  );
  await patch('shop', { timeoutSeconds: 1 });
  await untilPhase('shop', 'TimedOut');
}, 180_000);

test('a worker that is silent while its pod runs is ended and replaced, and the run says so', async () => {
  await apply('shop', { heartbeat: { interval: '1s', stallTimeout: '10s' } });
  await using worker = await workerOf('shop');
  const [pod] = await podsOf('shop');
  if (pod === undefined) expect.fail('the pod is gone');
  await runOnNode(pod);
  await worker.seed(pages, never);
  await claimSome(worker, 4);
  await untilPhase('shop', 'Running');
  // It was stopped long ago.
  const age = `update trawler.worker set last_heartbeat_at = clock_timestamp() - interval '2 min',
    lease_until = clock_timestamp() - interval '1 min'`;
  await query(`update trawler.run set lease_seconds = 1; ${age}`);
  const stalled = async () =>
    (await get<CrawlRun>('crawlrun', 'shop')).status?.conditions?.find(({ type }) => type === 'Stalled');
  await eventually(async () => {
    expect(await stalled()).toMatchObject({ status: 'True', reason: 'WorkerSilent' });
    const [found] = await podsOf('shop');
    expect(found?.metadata).toMatchObject({ uid: pod.metadata.uid, deletionGracePeriodSeconds: 10 });
  });
  await eventually(async () => {
    const events = await kubectl(['get', 'events', '-n', namespace, '-o', 'jsonpath={.items[*].reason}']);
    expect(events).toContain('WorkerStalled');
  });
  const { status } = await get<CrawlRun>('crawlrun', 'shop');
  expect(status?.progress).toMatchObject({ queued: PAGES, inFlight: 0 });

  await endOnNode(pod);
  await using _other = await workerOf('shop', pod.metadata.uid);
  await eventually(async () => expect(await stalled()).toMatchObject({ status: 'False', reason: 'WorkerReplaced' }));
}, 180_000);

test('a run that is terminated gives its pods seconds, also when it was stopping already, and keeps what is stored', async () => {
  await apply('shop');
  await using worker = await workerOf('shop');
  const [pod] = await podsOf('shop');
  if (pod === undefined) expect.fail('the pod is gone');
  await runOnNode(pod);
  await worker.seed(pages, never);
  const [stored, held] = [await claimSome(worker, 5), await claimSome(worker, 5)];
  await worker.commit(
    stored.map((claim) => done(claim)),
    never,
  );
  await untilPhase('shop', 'Running');
  const graceOf = async () => (await podsOf('shop'))[0]?.metadata.deletionGracePeriodSeconds;
  await patch('shop', { shutdown: 'Stop' });
  await eventually(async () => expect(await graceOf()).toBe(150));
  await patch('shop', { shutdown: 'Terminate' });
  await eventually(async () => expect(await graceOf()).toBe(15));
  // Before its pods: a worker that is told to end asks what it is to do.
  expect(await query('select stop_reason, terminates from trawler.run')).toEqual([
    { stop_reason: 'Shutdown', terminates: true },
  ]);
  const { status } = await get<CrawlRun>('crawlrun', 'shop');
  expect(status?.phase).toBe('Stopping');
  // It does not make it in time.
  await endOnNode(pod);
  await untilPhase('shop', 'Stopped');
  const ended = await get<CrawlRun>('crawlrun', 'shop');
  const queued = PAGES - stored.length;
  expect(held).toHaveLength(5);
  expect(ended.status?.progress).toMatchObject({ succeeded: stored.length, items: stored.length, inFlight: 0, queued });
}, 180_000);
