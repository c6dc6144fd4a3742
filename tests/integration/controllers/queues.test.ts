// Named queues, turns of namespaces and Kueue's contract, on a real API server and PostgreSQL with the Job controller. No pod runs.

import { execa } from 'execa';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import type { ActiveLimits } from '#src/controllers/run/admission.ts';
import type { CrawlRun, CrawlSchedule } from '#src/custom-resources/types.ts';
import type { Job } from '#src/kube/builtin-types.ts';
import { findCondition } from '#src/kube/conditions.ts';
import { binary } from '../../../dev/setup/kubernetes-binaries.mjs';
import { type ControlPlane, startControlPlane } from '../../support/control-plane.ts';
import { installCrds } from '../../support/crds.ts';
import { type PostgresServer, startPostgres, type TestDatabase } from '../../support/postgres.ts';
import { type RunningOperator, startOperator as startOperatorOn } from '../../support/running-operator.ts';

let cluster: ControlPlane;
let postgres: PostgresServer;
let database: TestDatabase;
let operator: RunningOperator;
let namespaces: readonly [string, string];
let count = 0;

beforeAll(async () => {
  const apiServerFlags = [
    '--feature-gates=MutatingAdmissionPolicy=true',
    '--runtime-config=admissionregistration.k8s.io/v1beta1=true',
  ];
  [cluster, postgres] = await Promise.all([
    startControlPlane({ controllerManager: true, apiServerFlags }),
    startPostgres(18),
  ]);
  await installCrds(cluster);
});
afterAll(async () => {
  await Promise.all([cluster?.stop(), postgres?.stop()]);
});
beforeEach(async () => {
  count++;
  namespaces = [`queues-${count}-a`, `queues-${count}-b`];
  database = await postgres.createDatabase({ createRole: true });
  for (const namespace of namespaces) await kubectl(['create', 'namespace', namespace]);
});
afterEach(async () => {
  await operator.stop();
  await kubectl(['delete', 'crawlschedules,crawlruns', '--all', '--all-namespaces']);
});

function startOperator(limits: ActiveLimits): void {
  operator = startOperatorOn(cluster.kubeconfigPath, database.ownerUrl, { limits });
}

async function kubectl(args: string[], input?: object): Promise<string> {
  const options = input === undefined ? {} : { input: JSON.stringify(input) };
  return (await execa(binary('kubectl'), [`--kubeconfig=${cluster.kubeconfigPath}`, ...args], options)).stdout;
}
const get = async <T>(kind: string, name: string, namespace = namespaces[0]) =>
  JSON.parse(await kubectl(['get', kind, name, '-n', namespace, '-o', 'json'])) as T;
const statusOf = async (name: string, namespace = namespaces[0]) =>
  (await get<CrawlRun>('crawlrun', name, namespace)).status;
const patch = (kind: string, name: string, spec: object, namespace = namespaces[0]) =>
  kubectl(['patch', kind, name, '-n', namespace, '--type=merge', '-p', JSON.stringify({ spec })]);
const stop = (name: string, namespace = namespaces[0]) => patch('crawlrun', name, { shutdown: 'Stop' }, namespace);
const eventually = (assertions: () => Promise<void>) => vi.waitFor(assertions, { timeout: 60_000, interval: 200 });
const untilPhase = (name: string, phase: string, namespace = namespaces[0]) =>
  eventually(async () => expect((await statusOf(name, namespace))?.phase).toBe(phase));

const sources = [{ name: 'shop', urls: ['http://shop.example/'] }];

async function apply(name: string, spec: object = {}, namespace = namespaces[0], labels: object = {}): Promise<void> {
  await kubectl(['apply', '-f', '-'], {
    apiVersion: 'trawler.dev/v1alpha1',
    kind: 'CrawlRun',
    metadata: { name, namespace, labels },
    spec: { sources, ...spec },
  });
}

test('a run waits in its queue with its place in line, and an operator with a higher limit lets it in', async () => {
  const nightly = { queue: 'nightly' };
  startOperator({ queues: new Map([['nightly', 1]]) });
  await apply('first', nightly);
  await untilPhase('first', 'Pending');
  await apply('second', nightly);
  await untilPhase('second', 'Queued');
  await apply('third', nightly);
  await apply('other');
  await untilPhase('third', 'Queued');
  await untilPhase('other', 'Pending');
  const waiting = await statusOf('third');
  expect(waiting?.queue).toEqual({ name: 'nightly', position: 2 });
  expect(waiting?.message).toBe(
    'waiting: number 2 in line of queue nightly, since 1 active runs of the queue are the limit',
  );
  const wide = await kubectl(['get', 'crawlruns', '-n', namespaces[0], '-o', 'wide']);
  const place = wide.split('\n')[0]?.indexOf('QUEUE') ?? -1;
  expect(
    wide
      .split('\n')
      .find((line) => line.startsWith('third'))
      ?.slice(place),
  ).toMatch(/^nightly +2 +WaitingForSlot/);
  await eventually(async () => {
    const events = await kubectl(['get', 'events', '-n', namespaces[0], '-o', 'json']);
    expect(events).toContain('"reason": "WaitingForSlot"');
  });
  await operator.stop();
  startOperator({ queues: new Map([['nightly', 3]]) });
  for (const name of ['second', 'third']) {
    await untilPhase(name, 'Pending');
    expect((await statusOf(name))?.queue).toEqual({ name: 'nightly' });
  }
}, 120_000);

test('two namespaces take turns in a queue, however many runs of one are in line and whatever their priority', async () => {
  startOperator({ queues: new Map([['nightly', 1]]) });
  const [many, one] = namespaces;
  const nightly = { queue: 'nightly', priority: 1_000 };
  await apply('m1', nightly, many);
  await untilPhase('m1', 'Pending', many);
  for (const name of ['m2', 'm3']) {
    await apply(name, nightly, many);
    await untilPhase(name, 'Queued', many);
  }
  await apply('single', { queue: 'nightly' }, one);
  await untilPhase('single', 'Queued', one);
  await stop('m1', many);
  await untilPhase('single', 'Pending', one);
  expect((await statusOf('m2', many))?.phase).toBe('Queued');
  await stop('single', one);
  await untilPhase('m2', 'Pending', many);
}, 120_000);

test('a queue that is not there is said by run and schedule, holds up nobody, and fails a run at its start deadline', async () => {
  // One place in all: runs without a queue must not have it.
  startOperator({ total: 1, queues: new Map([['nightly', 1]]) });
  const words = 'there is no queue "nigthly": name one that there is (default, nightly)';
  await apply('lost', { queue: 'nigthly', startTimeoutSeconds: 10 });
  await apply('older', { queue: 'nigthly' });
  await apply('mended', { queue: 'nigthly' });
  await eventually(async () => {
    const status = await statusOf('mended');
    expect(status).toMatchObject({ phase: 'Pending', reason: 'UnknownQueue' });
    expect(status?.message).toContain(words);
  });
  await patch('crawlrun', 'mended', { queue: 'nightly' });
  await eventually(async () => expect((await statusOf('mended'))?.jobName).toBe('mended'));
  await kubectl(['apply', '-f', '-'], {
    apiVersion: 'trawler.dev/v1alpha1',
    kind: 'CrawlSchedule',
    metadata: { name: 'shop', namespace: namespaces[0] },
    spec: { interval: '1s', runTemplate: { spec: { sources, queue: 'nigthly' } } },
  });
  const ready = async () =>
    findCondition((await get<CrawlSchedule>('crawlschedule', 'shop')).status?.conditions, 'Ready');
  await eventually(async () => {
    expect(await ready()).toMatchObject({
      status: 'False',
      reason: 'UnknownQueue',
      message: expect.stringContaining(words),
    });
  });
  await untilPhase('lost', 'Failed');
  expect(await statusOf('lost')).toMatchObject({ reason: 'UnknownQueue', message: expect.stringContaining(words) });
  expect((await get<CrawlSchedule>('crawlschedule', 'shop')).status?.lastRun).toBeUndefined();
  await kubectl([
    ...['patch', 'crawlschedule', 'shop', '-n', namespaces[0], '--type=merge', '-p'],
    '{"spec":{"runTemplate":{"spec":{"queue":"default"}}}}',
  ]);
  await eventually(async () => expect((await ready())?.status).toBe('True'));
  await eventually(async () => {
    expect((await get<CrawlSchedule>('crawlschedule', 'shop')).status?.lastRun?.name).toMatch(/^shop-/);
  });
}, 120_000);

test('a Job in a queue of Kueue is made suspended, starts when Kueue resumes it, and its suspension is no failure', async () => {
  startOperator({});
  await apply('shop', { startTimeoutSeconds: 10 }, namespaces[0], { 'kueue.x-k8s.io/queue-name': 'crawls' });
  const resume = (suspend: boolean) => patch('job', 'shop', { suspend });
  const isSuspended = async () => {
    const status = await statusOf('shop');
    expect(status).toMatchObject({ phase: 'Pending', reason: 'JobSuspended' });
    expect(status?.message).toContain('waits in queue crawls of Kueue');
    expect(status?.startDeadline).toBeUndefined();
  };
  await eventually(isSuspended);
  const pods = async () =>
    (JSON.parse(await kubectl(['get', 'pods', '-n', namespaces[0], '-o', 'json'])) as { items: object[] }).items;
  const job = await get<Job>('job', 'shop');
  expect(job.spec?.suspend).toBe(true);
  expect(job.metadata.labels).toMatchObject({ 'kueue.x-k8s.io/queue-name': 'crawls' });
  expect(await pods()).toEqual([]);
  await resume(false);
  await eventually(async () => expect(await pods()).toHaveLength(1));
  await eventually(async () => expect((await statusOf('shop'))?.startDeadline).toBeDefined());
  await resume(true);
  await eventually(isSuspended);
  // The operator leaves it alone: a new deadline runs from when Kueue resumes it.
  expect((await get<Job>('job', 'shop')).spec?.suspend).toBe(true);
  await resume(false);
  await untilPhase('shop', 'Failed');
  expect(await statusOf('shop')).toMatchObject({ reason: 'NoHeartbeat' });
}, 120_000);

/** Gives the Jobs of one queue to another controller, as the admission of MultiKueue does with those that go to another cluster. */
async function giveJobsAway(queue: string, managedBy: string): Promise<void> {
  const apiVersion = 'admissionregistration.k8s.io/v1beta1';
  const rule = { apiGroups: ['batch'], apiVersions: ['v1'], operations: ['CREATE'], resources: ['jobs'] };
  const expression = `[JSONPatch{op: "add", path: "/spec/managedBy", value: "${managedBy}"}]`;
  await kubectl(['apply', '-f', '-'], {
    ...{ apiVersion, kind: 'MutatingAdmissionPolicy', metadata: { name: queue } },
    spec: {
      matchConstraints: {
        resourceRules: [rule],
        objectSelector: { matchLabels: { 'kueue.x-k8s.io/queue-name': queue } },
      },
      mutations: [{ patchType: 'JSONPatch', jsonPatch: { expression } }],
      ...{ failurePolicy: 'Fail', reinvocationPolicy: 'Never' },
    },
  });
  const binding = { apiVersion, kind: 'MutatingAdmissionPolicyBinding', metadata: { name: queue } };
  await kubectl(['apply', '-f', '-'], { ...binding, spec: { policyName: queue } });
  // The API server learns of it a moment later.
  await eventually(async () => {
    const labels = { 'kueue.x-k8s.io/queue-name': queue };
    const container = { name: 'x', image: 'x' };
    const job = {
      ...{ apiVersion: 'batch/v1', kind: 'Job', metadata: { name: 'probe', namespace: namespaces[0], labels } },
      spec: { suspend: true, template: { spec: { restartPolicy: 'Never', containers: [container] } } },
    };
    expect(await kubectl(['create', '--dry-run=server', '-o', 'json', '-f', '-'], job)).toContain(managedBy);
  });
}

test('a Job that an admission has given to another controller is followed by its status, and nobody fights for it', async () => {
  await giveJobsAway('elsewhere', 'kueue.x-k8s.io/multikueue');
  startOperator({});
  await apply('afar', {}, namespaces[0], { 'kueue.x-k8s.io/queue-name': 'elsewhere' });
  await eventually(async () => expect((await statusOf('afar'))?.reason).toBe('JobSuspended'));
  await patch('job', 'afar', { suspend: false });
  const setJobStatus = (status: object) =>
    kubectl([
      ...['patch', 'job', 'afar', '-n', namespaces[0], '--subresource=status', '--type=merge'],
      ...['-p', JSON.stringify({ status })],
    ]);
  const at = new Date().toISOString().replace(/\.\d+Z/, 'Z');
  await setJobStatus({ startTime: at, active: 1 });
  await eventually(async () => expect((await statusOf('afar'))?.startDeadline).toBeDefined());
  const given = await get<Job>('job', 'afar');
  expect(given.spec?.managedBy).toBe('kueue.x-k8s.io/multikueue');
  // An edit of the run makes the operator look at the Job once more.
  await patch('crawlrun', 'afar', { workers: 2 });
  await eventually(async () => {
    const { metadata, status } = await get<CrawlRun>('crawlrun', 'afar');
    expect(status?.observedGeneration).toBe(metadata.generation);
  });
  expect((await get<Job>('job', 'afar')).metadata.resourceVersion).toBe(given.metadata.resourceVersion);
  expect(await kubectl(['get', 'pods', '-n', namespaces[0], '-o', 'name'])).toBe('');
  const failed = { status: 'True', reason: 'BackoffLimitExceeded', message: 'in another cluster' };
  const conditions = ['FailureTarget', 'Failed'].map((type) => ({ type, ...failed, lastTransitionTime: at }));
  await setJobStatus({ active: 0, failed: 1, conditions });
  await untilPhase('afar', 'Failed');
  expect((await statusOf('afar'))?.message).toContain('in another cluster');

  // Nobody answers for this one: its stop does not wait for that.
  await apply('unheard', {}, namespaces[0], { 'kueue.x-k8s.io/queue-name': 'elsewhere' });
  await eventually(async () => expect((await statusOf('unheard'))?.reason).toBe('JobSuspended'));
  await patch('crawlrun', 'unheard', { shutdown: 'Stop' });
  await untilPhase('unheard', 'Stopped');
}, 120_000);
