// Schedules on a real API server with its controllers: what is told of runs that are gone, of runs that are refused, and
// what can be asked for by kubectl alone. No kubelet: ends of crawls are written by hand.
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import type { CrawlRun, CrawlSchedule } from '#src/custom-resources/types.ts';
import { timestamp } from '#src/kube/time.ts';
import { binary } from '../../../dev/setup/kubernetes-binaries.mjs';
import { projectRoot } from '../../../dev/setup/paths.mjs';
import { type ControlPlane, startControlPlane } from '../../support/control-plane.ts';
import { installCrds } from '../../support/crds.ts';
import { deadWebhook } from '../../support/dead-webhook.ts';
import { type PostgresServer, startPostgres, type TestDatabase } from '../../support/postgres.ts';
import { type RunningOperator, startOperator as startOperatorOn } from '../../support/running-operator.ts';

let cluster: ControlPlane;
let postgres: PostgresServer;
let database: TestDatabase;
let namespace: string;
let count = 0;
const running: RunningOperator[] = [];

beforeAll(async () => {
  [cluster, postgres] = await Promise.all([startControlPlane({ controllerManager: true }), startPostgres(15)]);
  await installCrds(cluster);
});
afterAll(async () => {
  await Promise.all([cluster?.stop(), postgres?.stop()]);
});
beforeEach(async () => {
  count += 1;
  namespace = `schedules-${count}`;
  database = await postgres.createDatabase({ createRole: true });
  await kubectl(['create', 'namespace', namespace]);
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((operator) => operator.stop()));
  await kubectl(['delete', 'crawlschedules,crawlruns', '--all', '-n', namespace]);
});

async function kubectl(args: string[], input?: object): Promise<string> {
  const flags = input ? { input: JSON.stringify(input) } : {};
  return (await execa(binary('kubectl'), [`--kubeconfig=${cluster.kubeconfigPath}`, ...args], flags)).stdout;
}

const inNamespace = (...args: string[]) => kubectl([...args, '-n', namespace]);
const apply = (object: object) => kubectl(['apply', '-f', '-'], object);

async function get<T>(kind: string, name: string): Promise<T> {
  return JSON.parse(await inNamespace('get', kind, name, '-o', 'json')) as T;
}

async function list<T>(kind: string): Promise<T[]> {
  return (JSON.parse(await inNamespace('get', kind, '-o', 'json')) as { items: T[] }).items;
}

const eventually = (assertions: () => Promise<void>) => vi.waitFor(assertions, { timeout: 45_000, interval: 200 });

function startOperator(): RunningOperator {
  const operator = startOperatorOn(cluster.kubeconfigPath, database.ownerUrl);
  running.push(operator);
  return operator;
}

const sources = [{ name: 'shop', urls: ['http://shop.example/'] }];
const SELDOM = '0 0 29 2 *';

/** A schedule whose slots do not come during a test, unless its spec says otherwise. */
function schedule(name: string, spec: object = {}, run: object = {}): object {
  return {
    apiVersion: 'trawler.dev/v1alpha1',
    kind: 'CrawlSchedule',
    metadata: { name, namespace },
    spec: { schedule: SELDOM, runTemplate: { spec: { sources, ...run } }, ...spec },
  };
}

async function statusOf(name: string): Promise<NonNullable<CrawlSchedule['status']>> {
  return (await get<CrawlSchedule>('crawlschedule', name)).status ?? {};
}

async function readyOf(name: string) {
  return (await statusOf(name)).conditions?.find(({ type }) => type === 'Ready');
}

async function requestRun(name: string, value: string): Promise<void> {
  await inNamespace('annotate', 'crawlschedule', name, `trawler.dev/run-requested=${value}`, '--overwrite');
}

/** The end of a crawl, as the run controller would write it, in the second after everything that there is now. */
async function end(run: CrawlRun, more: object = {}): Promise<string> {
  const completionTime = timestamp(new Date(Date.now() + 1_000));
  const done = { status: 'True', reason: 'Succeeded', message: 'done', lastTransitionTime: completionTime };
  const conditions = ['Complete', 'Finished'].map((type) => ({ type, ...done }));
  const status = { phase: 'Succeeded', completionTime, conditions, message: '5 pages succeeded', ...more };
  const patch = JSON.stringify({ status });
  await inNamespace('patch', 'crawlrun', run.metadata.name, '--subresource=status', '--type=merge', '-p', patch);
  return completionTime;
}

/** The only run that there is, once its Job is: nothing writes its status then for some seconds. */
async function theRun(): Promise<CrawlRun> {
  await eventually(async () => expect(await list('jobs')).toHaveLength(1));
  const [run] = await list<CrawlRun>('crawlruns');
  if (run === undefined) throw new Error('there is no run');
  return run;
}

/** The API server takes a moment to apply a new policy or webhook; from then on it refuses a new run in these words. */
async function untilRunsAreRefused(words: string): Promise<void> {
  const probe = { apiVersion: 'trawler.dev/v1alpha1', kind: 'CrawlRun', metadata: { name: 'probe', namespace } };
  await eventually(async () => {
    const created = kubectl(['create', '-f', '-', '--dry-run=server'], { ...probe, spec: { sources } });
    await expect(created).rejects.toThrow(words);
  });
}

interface Event {
  readonly reason: string;
  readonly note?: string;
  readonly regarding: { readonly kind: string };
}

const eventsOf = async (kind: string) =>
  (await list<Event>('events.events.k8s.io')).filter(({ regarding }) => regarding.kind === kind);

test('an annotation asks for a run by kubectl alone, once for each of its values', async () => {
  const first = startOperator();
  await apply(schedule('shop', { suspend: true }));
  await requestRun('shop', 'monday');
  const run = await theRun();
  expect(run.spec).toMatchObject({ scheduleName: 'shop', trigger: { type: 'Manual' } });
  await eventually(async () => expect((await statusOf('shop')).lastHandledRunRequest).toBe('monday'));
  await first.stop();

  startOperator();
  await requestRun('shop', 'tuesday');
  await eventually(async () => expect((await statusOf('shop')).lastHandledRunRequest).toBe('tuesday'));
  expect(await list('crawlruns')).toHaveLength(2);
  const made = (await eventsOf('CrawlSchedule')).filter(({ reason }) => reason === 'SuccessfulCreate');
  expect(made).toHaveLength(2);
});

test.each<[string, object, object]>([
  ['the history keeps none', { successfulRunsHistoryLimit: 0 }, {}],
  ['its time to live is nothing', {}, { ttlSecondsAfterFinished: 0 }],
])('the result of a run is told though %s, and schedules after it run', async (_what, spec, run) => {
  startOperator();
  await apply(schedule('shop', spec, run));
  await apply(schedule('next', { schedule: undefined, after: { schedule: 'shop' } }));
  await eventually(async () => expect((await readyOf('next'))?.status).toBe('True'));
  await requestRun('shop', 'now');
  const made = await theRun();
  let completionTime = '';
  await eventually(async () => {
    const [left] = (await list<CrawlRun>('crawlruns')).filter(({ metadata }) => metadata.name === made.metadata.name);
    if (left) completionTime = await end(left, { progress: { items: 7 } });
    expect((await statusOf('shop')).lastSuccessfulTime).toBe(completionTime);
  });
  await eventually(async () =>
    expect((await list<CrawlRun>('crawlruns')).map(({ spec: { scheduleName } }) => scheduleName)).toEqual(['next']),
  );
  expect((await statusOf('shop')).lastRun).toMatchObject({ name: made.metadata.name, phase: 'Succeeded', items: 7 });
  const ends = (await eventsOf('CrawlSchedule')).filter(({ reason }) => reason === 'RunSucceeded');
  expect(ends.map(({ note }) => note)).toEqual([`run ${made.metadata.name} ended: 5 pages succeeded`]);
});

test('a quota that has no room for runs is told, and the next slot runs when it has', {
  timeout: 180_000,
}, async () => {
  startOperator();
  // The quota controller finds out about new kinds every 30 s, and then counts only what is edited.
  let edits = 0;
  const isCounted = async () => {
    edits += 1;
    const hard = { 'count/crawlruns.trawler.dev': '0', 'count/configmaps': String(1_000 + edits) };
    await apply({ apiVersion: 'v1', kind: 'ResourceQuota', metadata: { name: 'none', namespace }, spec: { hard } });
    const quota = await get<{ status?: { used?: Record<string, string> } }>('resourcequota', 'none');
    expect(quota.status?.used?.['count/crawlruns.trawler.dev']).toBe('0');
  };
  await vi.waitFor(isCounted, { timeout: 90_000, interval: 1_000 });
  await apply(schedule('shop', { schedule: '*/2 * * * * *' }));
  await eventually(async () =>
    expect(await readyOf('shop')).toMatchObject({
      status: 'False',
      reason: 'RunRefused',
      message: expect.stringContaining('exceeded quota: none'),
    }),
  );
  const refusedAt = Date.now();
  await eventually(async () => {
    const { nextScheduleTime } = await statusOf('shop');
    expect(Date.parse(nextScheduleTime ?? '')).toBeGreaterThan(refusedAt + 4_000);
  });
  await inNamespace('delete', 'resourcequota', 'none');
  await eventually(async () => {
    expect(await readyOf('shop')).toMatchObject({ status: 'True', reason: 'Scheduled' });
  });
  expect(await list('crawlruns')).toHaveLength(1);
});

test('a policy that refuses runs is told in its words, each slot is tried once, and a mended template runs', async () => {
  startOperator();
  const name = `no-runs-${namespace}`;
  const group = { apiVersion: 'admissionregistration.k8s.io/v1', metadata: { name } };
  const resourceRules = [
    { apiGroups: ['trawler.dev'], apiVersions: ['*'], operations: ['CREATE'], resources: ['crawlruns'] },
  ];
  const expression = "has(object.metadata.labels) && 'team' in object.metadata.labels";
  await apply({
    ...group,
    kind: 'ValidatingAdmissionPolicy',
    spec: { matchConstraints: { resourceRules }, validations: [{ expression, message: 'every run has a team' }] },
  });
  const namespaceSelector = { matchLabels: { 'kubernetes.io/metadata.name': namespace } };
  await apply({
    ...group,
    kind: 'ValidatingAdmissionPolicyBinding',
    spec: { policyName: name, validationActions: ['Deny'], matchResources: { namespaceSelector } },
  });
  await untilRunsAreRefused('every run has a team');
  await apply(schedule('shop', { schedule: '*/2 * * * * *' }));
  await eventually(async () =>
    expect(await readyOf('shop')).toMatchObject({
      status: 'False',
      reason: 'RunRefused',
      message: expect.stringContaining('every run has a team'),
    }),
  );
  expect((await statusOf('shop')).lastSkippedTime).toBeDefined();
  const metadata = { labels: { team: 'data' } };
  await apply(schedule('shop', { schedule: '*/2 * * * * *', runTemplate: { metadata, spec: { sources } } }));
  await eventually(async () => expect(await readyOf('shop')).toMatchObject({ status: 'True', reason: 'Scheduled' }));
  await eventually(async () => expect(await list('crawlruns')).toHaveLength(1));
  await kubectl(['delete', 'validatingadmissionpolicybindings,validatingadmissionpolicies', name]);
});

test('a webhook that does not answer is told, and the run is made when it is gone', async () => {
  startOperator();
  const name = `dead-${namespace}`;
  await apply(deadWebhook(name, namespace, 'trawler.dev', 'crawlruns'));
  await untilRunsAreRefused('failed calling webhook');
  await apply(schedule('shop', { schedule: '*/2 * * * * *' }));
  await eventually(async () =>
    expect(await readyOf('shop')).toMatchObject({
      status: 'False',
      reason: 'RunRefused',
      message: expect.stringContaining('failed calling webhook "dead.example.com"'),
    }),
  );
  await kubectl(['delete', 'validatingwebhookconfiguration', name]);
  await eventually(async () => expect(await readyOf('shop')).toMatchObject({ status: 'True', reason: 'Scheduled' }));
  await eventually(async () => expect(await list('crawlruns')).toHaveLength(1));
});

test('a run that can never start ends by itself, the next slot runs, and runs of a mended template go on', async () => {
  startOperator();
  const dnsConfig = (nameserver: string) => ({ pod: { dnsConfig: { nameservers: [nameserver] } } });
  const every2s = { schedule: '*/2 * * * * *', concurrencyPolicy: 'Forbid', failedRunsHistoryLimit: 20 };
  await apply(schedule('shop', every2s, dnsConfig('dns.example')));
  const phases = async () => (await list<CrawlRun>('crawlruns')).map(({ status }) => status?.phase);
  await eventually(async () =>
    expect((await phases()).filter((phase) => phase === 'Failed').length).toBeGreaterThan(1),
  );
  expect(await list('jobs')).toEqual([]);
  const [failed] = (await list<CrawlRun>('crawlruns')).filter(({ status }) => status?.phase === 'Failed');
  expect(failed?.status?.conditions).toContainEqual(expect.objectContaining({ type: 'Failed', reason: 'JobRefused' }));

  await apply(schedule('shop', every2s, dnsConfig('192.0.2.1')));
  await eventually(async () => expect(await list('jobs')).toHaveLength(1));
});

test('a run that waits in line beside the slots does not keep them from running, and no slot is lost to it', async () => {
  const operator = startOperatorOn(cluster.kubeconfigPath, database.ownerUrl, { limits: { perNamespace: 1 } });
  running.push(operator);
  await apply({
    apiVersion: 'trawler.dev/v1alpha1',
    kind: 'CrawlRun',
    metadata: { name: 'busy', namespace },
    spec: { sources },
  });
  await eventually(async () => expect(await list('jobs')).toHaveLength(1));
  await apply(schedule('shop'));
  await requestRun('shop', 'now');
  await eventually(async () => {
    const phases = (await list<CrawlRun>('crawlruns')).map(({ status }) => status?.phase);
    expect(phases).toContain('Queued');
  });
  await inNamespace('patch', 'crawlschedule', 'shop', '--type=merge', '-p', '{"spec":{"schedule":"* * * * * *"}}');
  await eventually(async () => {
    const triggers = (await list<CrawlRun>('crawlruns')).map(({ spec }) => spec.trigger?.type);
    expect(triggers.filter((type) => type === 'Schedule')).toHaveLength(1);
  });
});

test('columns tell when, whether and how, also for an interval', async () => {
  startOperator();
  await apply(schedule('hourly', { schedule: undefined, interval: '1h' }));
  await apply(schedule('next', { schedule: undefined, after: { schedule: 'hourly' } }));
  await requestRun('hourly', 'now');
  const run = await theRun();
  await eventually(async () => {
    await end(run, { reason: 'Succeeded', duration: '1m' });
    expect((await statusOf('hourly')).lastSuccessfulTime).toBeDefined();
  });
  const row = async (kind: string, name: string) => {
    const [head = '', line = ''] = (await inNamespace('get', kind, name, '-o', 'wide')).split('\n');
    const columns = [...head.matchAll(/\S+\s*/g)];
    return Object.fromEntries(
      columns.map(({ 0: text, index }, n) => [text.trim(), line.slice(index, columns[n + 1]?.index).trim()]),
    );
  };
  expect(await row('csched', 'hourly')).toMatchObject({
    SCHEDULE: '1h',
    READY: 'True',
    'LAST-RESULT': 'Succeeded',
    'LAST-SUCCESS': expect.not.stringMatching(/^$/),
    REASON: 'Scheduled',
  });
  await eventually(async () => expect((await row('csched', 'next'))['SCHEDULE']).toBe('after hourly'));
  expect(await row('crun', run.metadata.name)).toMatchObject({
    SCHEDULE: 'hourly',
    TRIGGER: 'Manual',
    DURATION: '1m',
    REASON: 'Succeeded',
  });
});

/** The end of a run that failed, whose time is behind all that is there. */
async function fail(run: CrawlRun): Promise<void> {
  const completionTime = timestamp(new Date(Date.now() + 1_000));
  const done = { status: 'True', reason: 'AllRequestsFailed', message: 'done', lastTransitionTime: completionTime };
  const conditions = ['Failed', 'Finished'].map((type) => ({ type, ...done }));
  await end(run, { phase: 'Failed', completionTime, conditions, message: '5 pages failed' });
}

test('failures in a row suspend a schedule, applying it again does not resume it, and a request does', async () => {
  startOperator();
  const interval = { schedule: undefined, interval: '2s', suspendAfterFailures: 2, failedRunsHistoryLimit: 0 };
  const manifest = schedule('shop', { ...interval, concurrencyPolicy: 'Allow', successDeadline: '1h' });
  await apply(manifest);
  const failAll = async () => {
    for (const run of await list<CrawlRun>('crawlruns')) await fail(run).catch(() => undefined); // it may be deleted
    expect(await readyOf('shop')).toMatchObject({ status: 'False', reason: 'FailedTooOften' });
  };
  await eventually(failAll);
  const { conditions, failures } = await statusOf('shop');
  expect(conditions).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ type: 'Suspended', status: 'True', reason: 'FailedTooOften' }),
      expect.objectContaining({ type: 'Late', status: 'False', reason: 'SucceededInTime' }),
    ]),
  );
  const told = (await eventsOf('CrawlSchedule')).filter(({ reason }) => reason === 'FailedTooOften');
  expect(told.map(({ note }) => note)).toEqual([expect.stringContaining('runs in a row have failed')]);

  // What a GitOps controller does; a run by hand shows that the schedule was looked at since.
  await apply(manifest);
  await requestRun('shop', 'now');
  await eventually(async () => expect((await statusOf('shop')).lastHandledRunRequest).toBe('now'));
  const after = await statusOf('shop');
  expect([after.failures?.suspended, after.nextScheduleTime]).toEqual([failures?.suspended, undefined]);

  await inNamespace('annotate', 'crawlschedule', 'shop', 'trawler.dev/resume-requested=1');
  await eventually(async () => expect(await readyOf('shop')).toMatchObject({ status: 'True', reason: 'Scheduled' }));
  const before = new Set((await list<CrawlRun>('crawlruns')).map(({ metadata }) => metadata.name));
  const resumed = await statusOf('shop');
  expect(resumed).toMatchObject({ lastHandledResumeRequest: '1', failures: { runs: [] } });
  await eventually(async () => {
    const made = (await list<CrawlRun>('crawlruns')).filter(({ metadata }) => !before.has(metadata.name));
    expect(made.map(({ spec }) => spec.trigger?.type)).toContain('Schedule');
  });
  await inNamespace('delete', 'crawlschedule', 'shop');
});

test('a schedule without a success in time is late, and not while it is suspended', async () => {
  startOperator();
  await apply(schedule('shop', { successDeadline: '1m' }));
  const late = async () => (await statusOf('shop')).conditions?.find(({ type }) => type === 'Late');
  await eventually(async () => expect(await late()).toMatchObject({ status: 'False', reason: 'SucceededInTime' }));
  // As if it had been created an hour ago.
  const { timing } = await statusOf('shop');
  const status = {
    observedGeneration: null,
    timing: { ...timing, since: timestamp(new Date(Date.now() - 3_600_000)) },
  };
  const patch = JSON.stringify({ status });
  await inNamespace('patch', 'crawlschedule', 'shop', '--subresource=status', '--type=merge', '-p', patch);
  await eventually(async () => expect(await late()).toMatchObject({ status: 'True', reason: 'NoSuccessInTime' }));
  await eventually(async () =>
    expect((await eventsOf('CrawlSchedule')).filter(({ reason }) => reason === 'NoSuccessInTime')).toHaveLength(1),
  );
  await inNamespace('patch', 'crawlschedule', 'shop', '--type=merge', '-p', '{"spec":{"suspend":true}}');
  await eventually(async () => expect(await late()).toMatchObject({ status: 'False', reason: 'Suspended' }));
});

test('a run that failed is retried by itself, once, and stays until then though the history keeps none', async () => {
  const first = startOperator();
  const spec = { failedRunsHistoryLimit: 0 };
  await apply(schedule('shop', spec, { retryPolicy: { maxRetries: 1, backoff: '2s', onlyDead: false } }));
  await requestRun('shop', 'now');
  const run = await theRun();
  await fail(run);
  const name = `${run.metadata.name}-auto-1`;
  const retry = await vi.waitFor(() => get<CrawlRun>('crawlrun', name), { timeout: 45_000, interval: 200 });
  expect(retry.spec.trigger).toMatchObject({ type: 'Retry', retryOf: run.metadata.name, only: 'All', attempt: 1 });
  expect(retry.metadata.ownerReferences).toMatchObject([{ kind: 'CrawlSchedule', name: 'shop' }]);
  // The failed run goes when its retry has begun; a retry that fails gets none.
  await eventually(async () =>
    expect((await list<CrawlRun>('crawlruns')).map((one) => one.metadata.name)).toEqual([name]),
  );
  await first.stop();
  startOperator();
  await fail(retry);
  await eventually(async () => expect(await list('crawlruns')).toEqual([]));
});

test('a schedule that is suspended until a time goes on by itself, and makes nothing up for before', async () => {
  const first = startOperator();
  const end = new Date(Math.ceil(Date.now() / 1_000) * 1_000 + 8_000);
  const suspended = { suspend: true, suspendUntil: timestamp(end), suspendNote: 'the shop moves' };
  const every = { schedule: '* * * * * *', concurrencyPolicy: 'Allow', catchUp: { policy: 'All' } };
  await apply(schedule('shop', { ...every, ...suspended }));
  await eventually(async () => {
    expect(await readyOf('shop')).toMatchObject({
      reason: 'Suspended',
      message: `spec.suspend is true until ${timestamp(end)}: no new runs are made (the shop moves)`,
    });
    expect((await statusOf('shop')).nextScheduleTime).toBe(timestamp(new Date(end.getTime() + 1_000)));
  });
  // An operator that comes late makes up for what was due after the end, and for nothing else.
  await first.stop();
  await vi.waitFor(() => expect(Date.now()).toBeGreaterThan(end.getTime() + 2_000), { timeout: 20_000, interval: 100 });
  startOperator();
  await eventually(async () => expect((await list<CrawlRun>('crawlruns')).length).toBeGreaterThanOrEqual(2));
  await inNamespace('patch', 'crawlschedule', 'shop', '--type=merge', '-p', `{"spec":{"schedule":"${SELDOM}"}}`);
  const slots = (await list<CrawlRun>('crawlruns')).map(({ spec }) => Date.parse(spec.trigger?.scheduledTime ?? ''));
  expect(Math.min(...slots)).toBe(end.getTime() + 1_000);
});

test('an image is tried out on a part of the runs, judged by how they end, and promoted', async () => {
  const operator = startOperator();
  const image = 'registry.test/crawler:next';
  const canary = { canary: { image, percent: 50 }, failedRunsHistoryLimit: 100, successfulRunsHistoryLimit: 100 };
  await apply(schedule('shop', { schedule: '* * * * * *', concurrencyPolicy: 'Allow', ...canary }));
  const isCanary = (run: CrawlRun) => run.spec.image === image;
  await eventually(async () => {
    const runs = await list<CrawlRun>('crawlruns');
    expect(runs.filter(isCanary).length).toBeGreaterThanOrEqual(4);
    expect(runs.filter((run) => !isCanary(run)).length).toBeGreaterThanOrEqual(4);
    expect((await statusOf('shop')).canary).toMatchObject({ image, verdict: 'Undecided' });
  });
  await inNamespace('patch', 'crawlschedule', 'shop', '--type=merge', '-p', '{"spec":{"suspend":true}}');
  const runs = await list<CrawlRun>('crawlruns');
  expect(runs.every((run) => (run.metadata.labels?.['trawler.dev/canary'] === 'true') === isCanary(run))).toBe(true);

  // As the transactions would that end them.
  const at = { createdAt: new Date(), finishedAt: new Date() };
  for (const run of runs) {
    const { uid: runId, name } = run.metadata;
    const outcome = isCanary(run) ? ('Failed' as const) : ('Succeeded' as const);
    const scheduleUid = run.metadata.ownerReferences?.[0]?.uid ?? '';
    const scheduledTime = new Date(run.spec.trigger?.scheduledTime ?? 0);
    const image = run.spec.image ?? 'registry.test/crawler:now';
    const facts = { namespace, name, scheduleUid, scheduledTime, trigger: 'Schedule', image, outcome, ...at };
    await operator.store.executions.recordUnaccepted({ ...facts, runId }, new AbortController().signal);
    await end(run);
  }
  await eventually(async () => expect((await statusOf('shop')).canary?.verdict).toBe('Worse'));
  const { canary: judged } = await statusOf('shop');
  expect(judged?.message).toMatch(/^\d+ of \d+ runs failed, against 0 of \d+/);
  expect(judged?.canary.failedRuns).toBe(judged?.canary.runs);
  await eventually(async () =>
    expect((await eventsOf('CrawlSchedule')).map(({ reason }) => reason)).toContain('CanaryWorse'),
  );

  const trawler = (...args: string[]) => {
    const program = join(projectRoot, 'src', 'cli', 'kubectl-trawler.ts');
    const env = { KUBECONFIG: cluster.kubeconfigPath };
    return execa(process.execPath, [program, '-n', namespace, ...args], { env, reject: false });
  };
  const refused = await trawler('promote', 'shop');
  expect(refused).toMatchObject({
    exitCode: 1,
    stderr: expect.stringMatching(/is Worse: .*--force promotes it anyway/),
  });
  expect(await trawler('promote', 'shop', '--force')).toMatchObject({ exitCode: 0 });
  const promoted = (await get<CrawlSchedule>('crawlschedule', 'shop')).spec;
  expect(promoted.canary).toBeUndefined();
  expect(promoted.runTemplate.spec).toMatchObject({ image, sources });
  await eventually(async () => expect((await statusOf('shop')).canary).toBeUndefined());
  expect(await trawler('abandon', 'shop')).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('no canary') });
});
