// kubectl-trawler as a program of its own, against a real API server. No operator: the tests write what it would.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { parseAllDocuments } from 'yaml';
import type { CrawlRun, CrawlSchedule } from '#src/custom-resources/types.ts';
import { binary } from '../../../dev/setup/kubernetes-binaries.mjs';
import { projectRoot } from '../../../dev/setup/paths.mjs';
import { type ControlPlane, startControlPlane } from '../../support/control-plane.ts';

let cluster: ControlPlane;

beforeAll(async () => {
  // With it, who may not change a schedule's finalizers may not make runs that block its deletion.
  cluster = await startControlPlane({ admissionPlugins: ['OwnerReferencesPermissionEnforcement'] });
  await kubectl(['apply', '-f', join(projectRoot, 'crds')]);
  await kubectl(['wait', '--for=condition=Established', 'crd', '--all', '--timeout=30s']);
});
afterAll(() => cluster?.stop());

async function kubectl(args: string[], input?: object): Promise<string> {
  const flags = input ? { input: JSON.stringify(input) } : {};
  const { stdout } = await execa(binary('kubectl'), [`--kubeconfig=${cluster.kubeconfigPath}`, ...args], flags);
  return stdout;
}

/** Exit code and what was printed. */
const trawler = (...args: string[]) => trawlerWith('', ...args);

async function trawlerWith(input: string, ...args: string[]) {
  const program = join(projectRoot, 'src', 'cli', 'kubectl-trawler.ts');
  const { exitCode, stdout, stderr } = await execa(process.execPath, [program, ...args], {
    ...{ input, env: { KUBECONFIG: cluster.kubeconfigPath } },
    reject: false,
  });
  return { exitCode, stdout, stderr };
}

async function apply(name: string, spec: object): Promise<void> {
  const runTemplate = { spec: { sources: [{ name: 'shop', urls: ['https://shop.example/'] }] } };
  const schedule = { apiVersion: 'trawler.dev/v1alpha1', kind: 'CrawlSchedule', metadata: { name } };
  await kubectl(['apply', '-f', '-'], { ...schedule, spec: { runTemplate, ...spec } });
}

/** As the operator would. */
async function writeStatus(kind: string, name: string, status: object): Promise<void> {
  const patch = JSON.stringify({ status });
  await kubectl(['patch', kind, name, '--subresource=status', '--type=merge', '--patch', patch]);
}

const get = async <T>(kind: string, name: string) => JSON.parse(await kubectl(['get', kind, name, '-o', 'json'])) as T;

describe('next', () => {
  const times = ['2030-03-30T01:30:00Z', '2030-03-31T01:00:00Z'];

  test('says when the schedule runs next, in UTC and by its own clock', async () => {
    await apply('nightly', { schedule: '30 2 * * *', timeZone: 'Europe/Paris' });
    await writeStatus('crawlschedule', 'nightly', { nextScheduleTimes: times });
    const { stdout, exitCode } = await trawler('next', 'nightly');
    expect(exitCode).toBe(0);
    expect(stdout.split('\n')).toEqual([
      '2030-03-30T01:30:00Z  2030-03-30 02:30:00 Europe/Paris',
      '2030-03-31T01:00:00Z  2030-03-31 03:00:00 Europe/Paris',
    ]);
    const { stdout: json } = await trawler('--json', 'next', 'nightly');
    expect(JSON.parse(json)).toEqual({ nextScheduleTimes: times });
  });

  test('without a name lists the next runs of all schedules, the soonest first', async () => {
    await apply('later', { schedule: '0 3 * * *' });
    await writeStatus('crawlschedule', 'later', { nextScheduleTimes: ['2030-03-30T03:00:00Z'], activeCount: 1 });
    const { stdout, exitCode } = await trawler('next', '--limit', '2');
    expect([exitCode, ...stdout.split('\n').map((line) => line.replaceAll(/ +/g, ' '))]).toEqual([
      0,
      'TIME LOCAL SCHEDULE ACTIVE',
      '2030-03-30T01:30:00Z 2030-03-30 02:30:00 Europe/Paris nightly 0',
      '2030-03-30T03:00:00Z 2030-03-30 03:00:00 Etc/UTC later 1',
    ]);
    const { stdout: json } = await trawler('--json', 'next', '--limit', '1');
    expect(JSON.parse(json)).toMatchObject({ items: [{ schedule: 'nightly' }] });
  });

  test('says why there is none', async () => {
    await apply('paused', { schedule: '@daily', suspend: true });
    const message = 'spec.suspend is true: no new runs are made';
    const condition = { type: 'Ready', status: 'True', reason: 'Suspended', message, observedGeneration: 1 };
    const conditions = [{ ...condition, lastTransitionTime: '2030-01-01T00:00:00Z' }];
    await writeStatus('crawlschedule', 'paused', { nextScheduleTimes: [], conditions });
    expect(await trawler('next', 'paused')).toEqual({
      exitCode: 0,
      stdout: `no run is planned: ${message}`,
      stderr: '',
    });
    expect(JSON.parse((await trawler('--json', 'next', 'paused')).stdout)).toEqual({ nextScheduleTimes: [] });
  });

  test('of a schedule that is not there is an error', async () => {
    const { exitCode, stderr } = await trawler('next', 'nowhere');
    expect(exitCode).toBe(1);
    expect(stderr).toBe('error: there is no CrawlSchedule "nowhere" in namespace default');
  });
});

test('lint names what would be refused, in every resource of a file', async () => {
  const file = join(projectRoot, 'manifests', 'samples', 'first-schedule.yaml');
  expect(await trawler('lint', file)).toEqual({ exitCode: 0, stdout: `${file}: CrawlSchedule first: ok`, stderr: '' });
  const wrong = `
apiVersion: trawler.dev/v1alpha1
kind: CrawlSchedule
metadata: { name: a }
spec: { schedule: '0 6 * *', runTemplate: { spec: { sources: [{ name: s, urls: ['https://s.example/'], colour: red }] } } }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: b }
---
apiVersion: trawler.dev/v1alpha1
kind: CrawlRun
metadata: { name: c }
spec: {}
`;
  const { exitCode, stdout } = await trawlerWith(wrong, 'lint', '-');
  expect(exitCode).toBe(1);
  expect(stdout.split('\n')).toEqual([
    expect.stringMatching(/^-: CrawlSchedule a: spec.runTemplate.spec.sources\[0\].colour: unknown field$/),
    expect.stringMatching(/^-: CrawlSchedule a: spec.schedule: /),
    expect.stringMatching(/^-: CrawlRun c: spec.sources: is missing$/),
  ]);
  expect(await trawlerWith('kind: ConfigMap', 'lint', '-', '-o', 'json')).toMatchObject({
    exitCode: 1,
    stdout: expect.stringContaining('holds no CrawlSchedule and no CrawlRun'),
  });
  expect(await trawlerWith('a: [', 'lint', '-')).toMatchObject({ exitCode: 1, stdout: expect.stringMatching(/^-: /) });
});

test('doctor says that no operator leads, what to do, and ends with one line that counts', async () => {
  const { exitCode, stdout } = await trawler('doctor');
  expect(exitCode).toBe(1);
  const lines = stdout.split('\n');
  expect(lines).toContain('failure  operator: no operator leads in namespace trawler-system');
  expect(lines.at(-1)).toMatch(/^doctor: \d+ checks, \d+ warnings, 1 failures$/);
  const { stdout: json } = await trawler('doctor', '-o', 'json');
  expect(JSON.parse(json).items).toContainEqual(expect.objectContaining({ name: 'API server', state: 'ok' }));
});

test('run makes a manual run of the schedule, which owns it', async () => {
  await apply('shop', { schedule: '@daily' });
  const { stdout } = await trawler('--json', 'run', 'shop');
  const { runs } = JSON.parse(stdout) as { runs: string[] };
  expect(runs).toHaveLength(1);
  const run = await get<CrawlRun>('crawlrun', runs[0] ?? '');
  const { metadata } = await get<CrawlSchedule>('crawlschedule', 'shop');
  expect(run.spec.trigger).toMatchObject({ type: 'Manual' });
  expect(run.metadata.ownerReferences).toMatchObject([{ uid: metadata.uid, controller: true }]);
});

test('run, backfill and retry work for a user with the role edit alone, as --as says', async () => {
  await grantEdit('editor');
  await apply('edited', { schedule: '0 6 * * *' });
  const asEditor = ['--as', 'editor', '--kubeconfig', cluster.kubeconfigPath];
  const range = ['--from', '2026-01-01T00:00:00Z', '--to', '2026-01-02T00:00:00Z'];
  const planned = trawler(...asEditor, '--json', 'backfill', 'plan', 'edited', ...range);
  const backfill = await vi.waitFor(
    async () => {
      const [name = ''] = (await kubectl(['get', 'crawlbackfills', '-o', 'name'])).split('\n').filter(Boolean);
      expect(name).not.toBe('');
      return name.replace(/.*\//, '');
    },
    { timeout: 20_000 },
  );
  const message = 'one run';
  const ready = { type: 'Planned', status: 'True', reason: 'PlanReady', message, lastTransitionTime: range[1] };
  const plan = { hash: '0123456789ab', template: '0123456789ab', skipped: 0, scheduleUid: 'x' };
  await writeStatus('crawlbackfill', backfill, { phase: 'Planned', conditions: [ready], plan });
  expect(await planned).toMatchObject({ exitCode: 0, stderr: '' });
  expect(await trawler(...asEditor, 'backfill', 'pause', backfill)).toMatchObject({ exitCode: 0, stderr: '' });
  const { stdout } = await trawler(...asEditor, '--json', 'run', 'edited');
  const [name = ''] = (JSON.parse(stdout) as { runs: string[] }).runs;
  await finish(name);
  expect(await trawler(...asEditor, 'retry', name)).toMatchObject({ exitCode: 0, stderr: '' });
  const stranger = await trawler('--as', 'stranger', 'run', 'edited');
  expect(stranger).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('User "stranger" cannot get') });
});

test('a kubeconfig that is not there is an error in words', async () => {
  const { exitCode, stderr } = await trawler('--kubeconfig', '/nowhere/config', 'run', 'shop');
  expect(exitCode).toBe(1);
  expect(stderr).toMatch(/^error: .*\/nowhere\/config/);
});

/** The chart's roles for users, bound to this one. */
async function grantEdit(user: string): Promise<void> {
  const manifest = await readFile(join(projectRoot, 'manifests', 'install.yaml'), 'utf8');
  const roles = parseAllDocuments(manifest).filter((document) =>
    /-(edit|view)$/.test(String(document.getIn(['metadata', 'name']))),
  );
  expect(roles).toHaveLength(2);
  for (const role of roles) {
    await kubectl(['apply', '-f', '-'], role.toJSON() as object);
    const name = String(role.getIn(['metadata', 'name']));
    await kubectl(['create', 'clusterrolebinding', `${name}-${user}`, `--clusterrole=${name}`, `--user=${user}`]);
  }
}

/** As the operator would end it. */
async function finish(name: string): Promise<void> {
  const condition = { status: 'True', reason: 'Succeeded', message: 'done', observedGeneration: 1 };
  const at = { lastTransitionTime: '2030-01-01T00:00:00Z' };
  const conditions = ['Complete', 'Finished'].map((type) => ({ type, ...condition, ...at }));
  await writeStatus('crawlrun', name, { conditions });
}

test('retry crawls a finished run again, and only a finished one', async () => {
  await apply('again', { schedule: '@daily' });
  const { runs } = JSON.parse((await trawler('--json', 'run', 'again')).stdout) as { runs: string[] };
  const name = runs[0] ?? '';
  expect(await trawler('retry', name)).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('not finished') });
  await finish(name);
  expect((await trawler('retry', name, '--dead')).stdout).toBe(`crawlrun.trawler.dev/${name}-retry-1 created`);
  const retried = await get<CrawlRun>('crawlrun', `${name}-retry-1`);
  expect(retried.spec.trigger).toMatchObject({ type: 'Retry', retryOf: name, only: 'Dead' });
  await trawler('retry', name, '--cause', 'HttpError,Timeout', '--sources', 'shop');
  expect((await get<CrawlRun>('crawlrun', `${name}-retry-2`)).spec.trigger).toMatchObject({
    ...{ only: 'Dead', causes: ['HttpError', 'Timeout'], sources: ['shop'] },
  });
  await trawler('retry', name, '--failed-sources');
  expect((await get<CrawlRun>('crawlrun', `${name}-retry-3`)).spec.trigger).toMatchObject({ only: 'FailedSources' });
  expect(await trawler('retry', name, '--cause', 'Timout')).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining('HttpError'),
  });
  expect(await trawler('retry', name, '--dead', '--failed-sources')).toMatchObject({ exitCode: 1 });
  await writeStatus('crawlrun', name, { progress: { failed: 0 } });
  expect(await trawler('retry', name, '--dead')).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining('no dead letters'),
  });
});

test('pause and resume write the spec of a run, and who did it and why', async () => {
  await apply('long', { schedule: '@daily' });
  const { runs } = JSON.parse((await trawler('--json', 'run', 'long')).stdout) as { runs: string[] };
  const name = runs[0] ?? '';
  const kubeconfig = ['--kubeconfig', cluster.kubeconfigPath];
  await grantEdit('pauser');
  const paused = await trawler(...kubeconfig, '--as', 'pauser', 'pause', name, '--note', 'the shop moves tonight');
  expect(paused).toMatchObject({ exitCode: 0, stdout: `crawlrun.trawler.dev/${name} paused` });
  expect(await get<CrawlRun>('crawlrun', name)).toMatchObject({
    spec: { suspend: true },
    metadata: {
      annotations: { 'trawler.dev/paused-by': 'pauser', 'trawler.dev/pause-note': 'the shop moves tonight' },
    },
  });
  expect((await trawler('resume', name)).stdout).toBe(`crawlrun.trawler.dev/${name} resumed`);
  const resumed = await get<CrawlRun>('crawlrun', name);
  expect(resumed.spec.suspend).toBe(false);
  expect(resumed.metadata.annotations ?? {}).toEqual({});
  await finish(name);
  const late = await trawler('pause', name);
  expect(late).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('has ended') });
});

test('stop ends a run early, and terminate at once, also one that is stopping; neither is done to one that has ended', async () => {
  await apply('short', { schedule: '@daily' });
  const { runs } = JSON.parse((await trawler('--json', 'run', 'short')).stdout) as { runs: string[] };
  const name = runs[0] ?? '';
  const shutdown = async () => (await get<CrawlRun>('crawlrun', name)).spec.shutdown;
  expect((await trawler('stop', name)).stdout).toBe(`crawlrun.trawler.dev/${name} stopping`);
  expect(await shutdown()).toBe('Stop');
  expect((await trawler('terminate', name)).stdout).toBe(`crawlrun.trawler.dev/${name} terminating`);
  expect(await shutdown()).toBe('Terminate');
  const back = await trawler('stop', name);
  expect(back).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('shutdown cannot be taken back') });
  await finish(name);
  const late = await trawler('terminate', name);
  expect(late).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('has ended') });
});

test('explain says why a run waits, for people and for programs, also where not all may be read', async () => {
  await apply('explained', { schedule: '@daily' });
  const { runs } = JSON.parse((await trawler('--json', 'run', 'explained')).stdout) as { runs: string[] };
  const name = runs[0] ?? '';
  const message = 'waiting: number 2 in line, since 5 active runs are the limit';
  const condition = { type: 'Progressing', status: 'False', reason: 'WaitingForSlot', message, observedGeneration: 1 };
  const conditions = [{ ...condition, lastTransitionTime: '2030-01-01T00:00:00Z' }];
  await writeStatus('crawlrun', name, { observedGeneration: 1, phase: 'Queued', conditions });
  const { exitCode, stdout } = await trawler('explain', name);
  expect(exitCode).toBe(0);
  expect(stdout).toContain(`${name} is Queued since 2030-01-01T00:00:00Z\n- WaitingForSlot: ${message}`);
  const rules = ['--verb=get', '--resource=crawlruns.trawler.dev'];
  await kubectl(['create', 'clusterrole', 'runs-alone', ...rules]);
  await kubectl(['create', 'clusterrolebinding', 'runs-alone', '--clusterrole=runs-alone', '--user=onlooker']);
  const partial = await trawler(
    '--kubeconfig',
    cluster.kubeconfigPath,
    '--as',
    'onlooker',
    'explain',
    name,
    '-o',
    'json',
  );
  expect(JSON.parse(partial.stdout)).toMatchObject({
    phase: 'Queued',
    findings: [{ reason: 'WaitingForSlot', advice: expect.stringContaining('spec.priority') }],
    unread: [
      expect.stringContaining('pods'),
      expect.stringContaining('events'),
      expect.stringContaining('crawlschedules'),
    ],
  });
  expect(await trawler('explain', 'nothing')).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining('no CrawlRun'),
  });
});
