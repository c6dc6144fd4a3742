// Backfills on a real API server with the operator: planned, approved, at work, paused, cancelled. No kubelet: ends of crawls are
// written by hand.
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import type { CrawlBackfill, CrawlRun } from '#src/custom-resources/types.ts';
import { timestamp } from '#src/kube/time.ts';
import { binary } from '../../../dev/setup/kubernetes-binaries.mjs';
import { projectRoot } from '../../../dev/setup/paths.mjs';
import { type ControlPlane, startControlPlane } from '../../support/control-plane.ts';
import { installCrds } from '../../support/crds.ts';
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
  namespace = `backfills-${count}`;
  database = await postgres.createDatabase({ createRole: true });
  await kubectl(['create', 'namespace', namespace]);
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((operator) => operator.stop()));
  await kubectl(['delete', 'crawlbackfills,crawlschedules,crawlruns', '--all', '-n', namespace]);
});

async function kubectl(args: string[], input?: object): Promise<string> {
  const flags = input ? { input: JSON.stringify(input) } : {};
  return (await execa(binary('kubectl'), [`--kubeconfig=${cluster.kubeconfigPath}`, ...args], flags)).stdout;
}

const inNamespace = (...args: string[]) => kubectl([...args, '-n', namespace]);
const apply = (object: object) => kubectl(['apply', '-f', '-'], object);
const eventually = (assertions: () => Promise<void>) => vi.waitFor(assertions, { timeout: 45_000, interval: 200 });

async function get<T>(kind: string, name: string): Promise<T> {
  return JSON.parse(await inNamespace('get', kind, name, '-o', 'json')) as T;
}

async function runsThere(): Promise<CrawlRun[]> {
  const { items } = JSON.parse(await inNamespace('get', 'crawlruns', '-o', 'json')) as { items: CrawlRun[] };
  return items.toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
}

const namesThere = async () => (await runsThere()).map(({ metadata }) => metadata.name);

function startOperator(): RunningOperator {
  const operator = startOperatorOn(cluster.kubeconfigPath, database.ownerUrl);
  running.push(operator);
  return operator;
}

/** Made once a day at six, and not during a test. */
async function makeSchedule(spec: object = {}): Promise<void> {
  const runTemplate = { spec: { sources: [{ name: 'shop', urls: ['http://shop.example/'] }] } };
  const metadata = { name: 'shop', namespace };
  const when = { schedule: '0 6 * * *', suspend: true };
  await apply({
    apiVersion: 'trawler.dev/v1alpha1',
    kind: 'CrawlSchedule',
    metadata,
    spec: { ...when, runTemplate, ...spec },
  });
}

/** The first four days of a year. */
async function makeBackfill(spec: object = {}, name = 'january'): Promise<void> {
  const range = { from: '2026-01-01T00:00:00Z', to: '2026-01-04T12:00:00Z' };
  const metadata = { name, namespace };
  const given = { scheduleName: 'shop', ...range, ...spec };
  await apply({ apiVersion: 'trawler.dev/v1alpha1', kind: 'CrawlBackfill', metadata, spec: given });
}

const edit = (kind: string, name: string, spec: object) =>
  inNamespace('patch', kind, name, '--type=merge', '-p', JSON.stringify({ spec }));

const statusOf = async (name = 'january') => (await get<CrawlBackfill>('crawlbackfill', name)).status ?? {};

async function reasonOf(name = 'january'): Promise<string | undefined> {
  return (await statusOf(name)).conditions?.find(({ type }) => type === 'Progressing')?.reason;
}

const untilReason = (reason: string, name?: string) =>
  eventually(async () => expect(await reasonOf(name)).toBe(reason));

/** The names of the runs that it says it will make. */
async function approve(name = 'january'): Promise<string[]> {
  await untilReason('WaitingForApproval', name);
  const { plan, runs = [] } = await statusOf(name);
  await edit('crawlbackfill', name, { approvedPlan: plan?.hash });
  return runs.map((run) => run.name);
}

/** The end of a crawl, as the run controller would write it. */
async function end(name: string, phase: 'Succeeded' | 'Failed' = 'Succeeded'): Promise<void> {
  const completionTime = timestamp(new Date());
  const done = { status: 'True', reason: phase, message: phase, lastTransitionTime: completionTime };
  const types = [phase === 'Succeeded' ? 'Complete' : 'Failed', 'Finished'];
  const status = { phase, completionTime, conditions: types.map((type) => ({ type, ...done })), message: phase };
  await inNamespace(
    'patch',
    'crawlrun',
    name,
    '--subresource=status',
    '--type=merge',
    '-p',
    JSON.stringify({ status }),
  );
}

const untilThere = (names: readonly string[]) => eventually(async () => expect(await namesThere()).toEqual(names));

test('a backfill shows its very runs and makes none; approved, it makes just those, one after the other', async () => {
  startOperator();
  await makeSchedule({ successfulRunsHistoryLimit: 10 });
  await makeBackfill();
  await untilReason('WaitingForApproval');
  expect(await namesThere()).toEqual([]);
  const planned = await approve();
  expect(planned).toHaveLength(4);
  for (const [n, name] of planned.entries()) {
    await untilThere(planned.slice(0, n + 1));
    const [run] = (await runsThere()).filter(({ metadata }) => metadata.name === name);
    expect(run?.spec.trigger).toMatchObject({ type: 'Backfill', scheduledTime: `2026-01-0${n + 1}T06:00:00Z` });
    await end(name, n === 1 ? 'Failed' : 'Succeeded');
  }
  await inNamespace('wait', 'crawlbackfill/january', '--for=condition=Finished', '--timeout=30s');
  expect(await statusOf()).toMatchObject({
    phase: 'Failed',
    progress: { total: 4, waiting: 0, active: 0, succeeded: 3, failed: 1, stopped: 0 },
  });
  const [, row = ''] = (await inNamespace('get', 'crawlbackfills')).split('\n');
  expect(row).toMatch(/^january +shop +Failed +4 +0 +0 +3 +1 +[0-9a-f]{12} /);

  await makeBackfill({ reprocess: 'Failed' }, 'again');
  expect((await approve('again')).map((name) => name.replace(/-backfill-.*/, ''))).toEqual([
    `shop-${Date.parse('2026-01-02T06:00:00Z') / 1_000}`,
  ]);
});

test('a plan that has become another one is refused, and nothing is made', async () => {
  startOperator();
  await makeSchedule();
  await makeBackfill();
  await untilReason('WaitingForApproval');
  const { plan } = await statusOf();
  await edit('crawlschedule', 'shop', { runTemplate: { spec: { workers: 2 } } });
  await edit('crawlbackfill', 'january', { approvedPlan: plan?.hash });
  await untilReason('PlanChanged');
  expect(await namesThere()).toEqual([]);
  const after = await statusOf();
  expect(after.approvedPlan).toBeUndefined();
  expect(after.plan?.hash).not.toBe(plan?.hash);
  await edit('crawlbackfill', 'january', { approvedPlan: after.plan?.hash });
  await eventually(async () => expect((await runsThere()).map(({ spec }) => spec.workers)).toEqual([2]));
});

test('the schedule makes its runs while a backfill is at work, which gives way until they have ended', async () => {
  startOperator();
  await makeSchedule({ concurrencyPolicy: 'Forbid' });
  await makeBackfill();
  const [first = '', second = ''] = await approve();
  await untilThere([first]);
  await edit('crawlschedule', 'shop', { schedule: '* * * * * *', suspend: false });
  const live = async () => (await runsThere()).filter(({ spec }) => spec.trigger?.type !== 'Backfill');
  await eventually(async () => expect(await live()).not.toEqual([]));
  await end(first);
  await untilReason('WaitingForSchedule');
  expect(await namesThere()).not.toContain(second);
  await edit('crawlschedule', 'shop', { suspend: true });
  for (const run of await live()) await end(run.metadata.name);
  await eventually(async () => expect(await namesThere()).toContain(second));
});

test('an operator that is replaced and a status that is wiped make no run twice', async () => {
  const before = startOperator();
  await makeSchedule();
  await makeBackfill({ maxActive: 2 });
  const planned = await approve();
  await untilThere(planned.slice(0, 2));
  await before.stop();
  await inNamespace('delete', 'crawlrun', planned[0] ?? '');
  startOperator();
  await untilThere(planned.slice(1, 3));
  await eventually(async () => {
    const { runs = [] } = await statusOf();
    expect(runs.map(({ phase }) => phase === 'Stopped')).toEqual([true, false, false, false]);
  });
  const { plan } = await statusOf();
  const wiped = [{ op: 'remove', path: '/status' }];
  await inNamespace(
    'patch',
    'crawlbackfill',
    'january',
    '--subresource=status',
    '--type=json',
    '-p',
    JSON.stringify(wiped),
  );
  await eventually(async () => expect((await statusOf()).approvedPlan).toBe(plan?.hash));
  await eventually(async () => expect((await statusOf()).progress?.active).toBe(2));
});

test('it can be paused, and cancelled for good, which stops its runs and no others', async () => {
  startOperator();
  await makeSchedule();
  await makeBackfill();
  const [first = '', second = ''] = await approve();
  await untilThere([first]);
  await edit('crawlbackfill', 'january', { suspend: true });
  await untilReason('Suspended');
  await end(first);
  await eventually(async () => expect((await statusOf()).progress).toMatchObject({ succeeded: 1, waiting: 3 }));
  expect(await namesThere()).toEqual([first]);
  await edit('crawlbackfill', 'january', { suspend: false });
  await untilThere([first, second]);

  await inNamespace('annotate', 'crawlschedule', 'shop', 'trawler.dev/run-requested=now');
  await eventually(async () => expect(await runsThere()).toHaveLength(3));
  await edit('crawlbackfill', 'january', { cancel: true });
  await inNamespace('wait', 'crawlbackfill/january', '--for=condition=Finished', '--timeout=30s');
  const stopped = (await runsThere()).filter(({ spec }) => spec.shutdown !== undefined);
  expect(stopped.map(({ metadata }) => metadata.name)).toEqual([second]);
  expect(await statusOf()).toMatchObject({ phase: 'Cancelled', progress: { total: 4, succeeded: 1, stopped: 3 } });
  await expect(edit('crawlbackfill', 'january', { cancel: false })).rejects.toThrow('cannot be taken back');
  await expect(edit('crawlbackfill', 'january', { reprocess: 'All' })).rejects.toThrow('cannot be changed');
});

test('what cannot be planned says why, and is planned as soon as it can', async () => {
  startOperator();
  await makeBackfill();
  await untilReason('NotPlanned');
  const planned = (await statusOf()).conditions?.find(({ type }) => type === 'Planned');
  expect(planned).toMatchObject({ reason: 'UnknownSchedule', message: expect.stringContaining('"shop"') });
  await makeSchedule();
  await untilReason('WaitingForApproval');
  const { items } = JSON.parse(await inNamespace('get', 'events.events.k8s.io', '-o', 'json')) as {
    items: { reason: string; regarding: { kind: string } }[];
  };
  const reasons = items.filter(({ regarding }) => regarding.kind === 'CrawlBackfill').map(({ reason }) => reason);
  expect(reasons).toContain('NotPlanned');
});

/** The plugin as a program of its own. */
async function trawler(...args: string[]) {
  const program = join(projectRoot, 'src', 'cli', 'kubectl-trawler.ts');
  const { exitCode, stdout, stderr } = await execa(process.execPath, [program, '-n', namespace, ...args], {
    ...{ env: { KUBECONFIG: cluster.kubeconfigPath }, reject: false },
  });
  return { exitCode, stdout, stderr };
}

test('the plugin plans, submits, pauses, resumes and cancels', async () => {
  startOperator();
  await makeSchedule();
  const range = ['--from', '2026-01-01', '--to', '2026-01-03'];
  const { stdout } = await trawler('backfill', 'plan', 'shop', ...range);
  const lines = stdout.split('\n');
  expect(lines).toEqual([
    expect.stringMatching(/^TIME +RUN$/),
    expect.stringMatching(/^2026-01-01T06:00:00Z +shop-1767247200-backfill-[0-9a-f]{6}$/),
    expect.stringMatching(/^2026-01-02T06:00:00Z +shop-1767333600-backfill-[0-9a-f]{6}$/),
    '2 runs, 0 times left out; nothing is made until you say',
    expect.stringMatching(/^ {2}kubectl trawler backfill submit shop-\d+ --plan [0-9a-f]{12}$/),
  ]);
  expect(await namesThere()).toEqual([]);
  const submit = (lines[4] ?? '').trim().split(' ').slice(2);
  const [, , name = ''] = submit;
  const wrong = await trawler(...submit.slice(0, 4), 'ffffffffffff');
  expect(wrong).toMatchObject({
    exitCode: 1,
    stderr: expect.stringMatching(/nothing was made: plan ffffffffffff was/),
  });
  expect(await trawler(...submit)).toMatchObject({
    ...{ exitCode: 0, stdout: `crawlbackfill.trawler.dev/${name} submitted: 2 runs` },
  });
  await eventually(async () => expect(await namesThere()).toHaveLength(1));
  const { runs = [] } = await statusOf(name);
  expect(await namesThere()).toEqual([runs[0]?.name]);
  expect(await trawler('backfill', 'pause', name)).toMatchObject({ exitCode: 0 });
  await untilReason('Suspended', name);
  expect(await trawler('backfill', 'resume', name)).toMatchObject({ exitCode: 0 });
  await untilReason('RunsAtWork', name);
  expect(await trawler('backfill', 'cancel', name)).toMatchObject({ exitCode: 0 });
  await inNamespace('wait', `crawlbackfill/${name}`, '--for=condition=Finished', '--timeout=30s');
  expect(await trawler('backfill', 'cancel', name)).toMatchObject({
    ...{ exitCode: 1, stderr: `error: CrawlBackfill "${name}" has come to its end (Cancelled)` },
  });

  const ahead = await trawler('backfill', 'plan', 'shop', '--from', '2026-01-01', '--to', '2090-01-01');
  expect(ahead).toMatchObject({
    exitCode: 1,
    stderr: expect.stringMatching(/no plan can be made: spec.to lies ahead/),
  });
  const { items } = JSON.parse(await inNamespace('get', 'crawlbackfills', '-o', 'json')) as { items: unknown[] };
  expect(items, 'it leaves nothing behind').toHaveLength(1);
});
