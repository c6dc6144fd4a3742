// kubectl-trawler as a program of its own, against a real API server. No operator: the tests write what it would.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { parseAllDocuments } from 'yaml';
import type { CrawlRun, CrawlSchedule } from '#src/custom-resources/types.ts';
import { binary } from '../../../dev/setup/kubernetes-binaries.mjs';
import { projectRoot } from '../../../dev/setup/paths.mjs';
import { type ControlPlane, startControlPlane } from '../../support/control-plane.ts';
import { installCrds } from '../../support/crds.ts';
import { pluginProgram } from '../../support/plugin-program.ts';

let cluster: ControlPlane;

beforeAll(async () => {
  // With it, who may not change a schedule's finalizers may not make runs that block its deletion.
  cluster = await startControlPlane({ admissionPlugins: ['OwnerReferencesPermissionEnforcement'] });
  await installCrds(cluster);
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
  const { exitCode, stdout, stderr } = await execa(process.execPath, [await pluginProgram(), ...args], {
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

async function temporaryFolder() {
  const path = await mkdtemp(join(tmpdir(), 'trawler-plugin-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) };
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
    stdout: expect.stringContaining('holds no CrawlSchedule, CrawlRun or CrawlBackfill'),
  });
  expect(await trawlerWith('a: [', 'lint', '-')).toMatchObject({ exitCode: 1, stdout: expect.stringMatching(/^-: /) });
});

test.each([
  ['2026-01-01T00:00:00Z', '2026-02-01T00:00:00Z', 'ok'],
  ['2026-01-01T00:00:00+02:00', '2025-12-31T23:00:00Z', 'ok'],
  ['2026-01-01T00:00:00Z', '2026-01-01T00:30:00+01:00', 'spec.from: from must be before to'],
  ['yesterday', '2026-02-01T00:00:00Z', 'spec.from: Invalid ISO datetime'],
])('lint of a CrawlBackfill from %s to %s', async (from, to, said) => {
  const spec = JSON.stringify({ scheduleName: 'shop', from, to });
  const backfill = `{apiVersion: trawler.dev/v1alpha1, kind: CrawlBackfill, metadata: {name: a}, spec: ${spec}}`;
  const { stdout } = await trawlerWith(backfill, 'lint', '-');
  expect(stdout).toBe(`-: CrawlBackfill a: ${said}`);
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

describe('a run under way', () => {
  const runOf = async (schedule: string) => {
    await apply(schedule, { schedule: '@daily' });
    const { runs } = JSON.parse((await trawler('--json', 'run', schedule)).stdout) as { runs: string[] };
    return runs[0] ?? '';
  };

  test('is set to another rate, concurrency and number of workers, and what a run may not have is refused', async () => {
    const name = await runOf('paced');
    expect((await trawler('set', 'rate', name, '0.5')).stdout).toBe(`crawlrun.trawler.dev/${name} rate set to 0.5`);
    await trawler('set', 'concurrency', name, '7');
    await trawler('set', 'workers', name, '2');
    expect((await get<CrawlRun>('crawlrun', name)).spec).toMatchObject({
      ...{ politeness: { requestsPerSecond: 0.5 }, concurrency: 7, workers: 2 },
    });
    const wrong = [
      ['rate', '0', 'write a number above 0'],
      ['rate', '1000000', 'spec.politeness.requestsPerSecond'],
      ['workers', '1.5', 'write a whole number'],
    ] as const;
    for (const [what, value, message] of wrong) {
      const refused = await trawler('set', what, name, value);
      expect(refused, `${what} ${value}`).toMatchObject({ exitCode: 1, stderr: expect.stringContaining(message) });
    }
    await finish(name);
    const late = await trawler('set', 'rate', name, '1');
    expect(late).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('has ended') });
  });

  test('leaves out what people exclude at the same time, each pattern once, and crawls again what is taken back', async () => {
    const name = await runOf('left-out');
    const patterns = ['https://shop.example/a/**', 'https://shop.example/b/**', 'https://shop.example/c/**'];
    const answers = await Promise.all(patterns.map((pattern) => trawler('exclude', name, pattern)));
    expect(answers.map(({ exitCode, stderr }) => [exitCode, stderr])).toEqual(patterns.map(() => [0, '']));
    const excluded = async () => (await get<CrawlRun>('crawlrun', name)).spec.sources[0]?.scope?.exclude;
    expect((await excluded())?.toSorted()).toEqual(patterns);
    await trawler('exclude', name, ...patterns.slice(0, 1), '--source', 'shop');
    expect(await excluded()).toHaveLength(3);
    await trawler('exclude', name, ...patterns.slice(0, 2), '--take-back');
    expect(await excluded()).toEqual(patterns.slice(2));
    expect(await trawler('exclude', name, '**', '--source', 'blog')).toMatchObject({
      exitCode: 1,
      stderr: `error: CrawlRun "${name}" has no source "blog"; it has shop`,
    });
  });
});

test('suspend writes who, why and until when; resume takes it back; a name of both a run and a schedule is said exactly', async () => {
  await apply('seasonal', { schedule: '@daily' });
  const until = '2030-01-01T06:00:00.000Z';
  const suspended = await trawler('suspend', 'seasonal', '--note', 'the shop is closed', '--until', until);
  expect(suspended.stdout).toBe(`crawlschedule.trawler.dev/seasonal suspended until ${until}`);
  expect(await get<CrawlSchedule>('crawlschedule', 'seasonal')).toMatchObject({
    spec: { suspend: true, suspendNote: 'the shop is closed', suspendUntil: until },
    metadata: { annotations: { 'trawler.dev/suspended-by': expect.stringMatching(/./) } },
  });
  expect((await trawler('resume', 'seasonal')).stdout).toBe('crawlschedule.trawler.dev/seasonal resumed');
  const { spec, metadata } = await get<CrawlSchedule>('crawlschedule', 'seasonal');
  expect([spec.suspend, spec.suspendNote, spec.suspendUntil]).toEqual([false, undefined, undefined]);
  expect(Object.keys(metadata.annotations ?? {})).toContain('trawler.dev/resume-requested');
  expect(metadata.annotations).not.toHaveProperty('trawler.dev/suspended-by');
  const inEightHours = Date.parse(
    (await trawler('suspend', 'seasonal', '--until', '8h')).stdout.split(' ').at(-1) ?? '',
  );
  expect(inEightHours - Date.now()).toBeGreaterThan(7.9 * 3_600_000);
  expect(await trawler('suspend', 'seasonal', '--until', 'tomorrow')).toMatchObject({ exitCode: 1 });

  const sources = [{ name: 'shop', urls: ['https://shop.example/'] }];
  await kubectl(['apply', '-f', '-'], {
    ...{ apiVersion: 'trawler.dev/v1alpha1', kind: 'CrawlRun', metadata: { name: 'seasonal' }, spec: { sources } },
  });
  expect(await trawler('resume', 'seasonal')).toMatchObject({
    exitCode: 1,
    stderr: 'error: there are both: write run/seasonal or schedule/seasonal',
  });
  expect((await trawler('resume', 'run/seasonal')).stdout).toBe('crawlrun.trawler.dev/seasonal resumed');
  expect((await trawler('resume', 'schedule/seasonal')).stdout).toBe('crawlschedule.trawler.dev/seasonal resumed');
  expect(await trawler('resume', 'nothing')).toMatchObject({
    exitCode: 1,
    stderr: 'error: there is no CrawlRun and no CrawlSchedule "nothing" in namespace default',
  });
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

describe('describe', () => {
  test('shows a run on one page: progress, pace, sources, workers, and why it is as it is', async () => {
    await apply('pictured', { schedule: '@daily' });
    const { runs } = JSON.parse((await trawler('--json', 'run', 'pictured')).stdout) as { runs: string[] };
    const name = runs[0] ?? '';
    const message = 'crawling: 1 of 1 sources';
    const condition = { type: 'Progressing', status: 'True', reason: 'Crawling', message, observedGeneration: 1 };
    await writeStatus('crawlrun', name, {
      ...{ observedGeneration: 1, phase: 'Running', reason: 'Crawling', startTime: '2030-01-01T00:00:00Z' },
      conditions: [{ ...condition, lastTransitionTime: '2030-01-01T00:00:00Z' }],
      progress: { total: 8, done: 4, succeeded: 3, failed: 1, items: 5, percentage: '50.00%' },
      sources: [{ name: 'shop', state: 'Crawling', succeeded: 3, failed: 1, items: 5, error: 'HTTP 500' }],
      workers: [{ pod: 'pod-1', state: 'Crawling', inFlight: 1, concurrency: 2 }],
    });
    const { exitCode, stdout } = await trawler('describe', name);
    expect(exitCode).toBe(0);
    for (const line of [
      /^Run: +default\/pictured-/,
      /^Trigger: +Manual/,
      /^Progress: +4 of 8 pages \(50.00%\), 1 failed, 0 skipped, 0 open; 5 items$/,
      /^Pace: +3 documents a second and host; 1 workers, 2 pages each$/,
      /^ {2}shop +Crawling +3 +1 +0 +5 +HTTP 500$/,
      /^ {2}pod-1 +Crawling +1\/2/,
      /^- Crawling: crawling: 1 of 1 sources/,
    ]) {
      expect(stdout.split('\n')).toContainEqual(expect.stringMatching(line));
    }
  });

  test('shows a schedule with its runs and Events, and names what may not be read', async () => {
    await apply('planned', { schedule: '0 6 * * *', suspend: true });
    const { runs } = JSON.parse((await trawler('--json', 'run', 'planned')).stdout) as { runs: string[] };
    const { metadata } = await get<CrawlSchedule>('crawlschedule', 'planned');
    await kubectl(['create', '-f', '-'], {
      ...{ apiVersion: 'v1', kind: 'Event', metadata: { name: 'planned.1', namespace: 'default' } },
      ...{ reason: 'SlotSkipped', message: 'the last run goes on', lastTimestamp: '2030-01-01T00:00:00Z' },
      involvedObject: { kind: 'CrawlSchedule', name: 'planned', namespace: 'default', uid: metadata.uid },
    });
    const { exitCode, stdout } = await trawler('describe', 'planned');
    expect(exitCode).toBe(0);
    for (const line of [
      /^Schedule: +default\/planned$/,
      /^Runs: +0 6 \* \* \* \(Etc\/UTC\)$/,
      /^State: +the operator has not looked at it yet$/,
      new RegExp(`^ {2}${runs[0]} +Manual +Pending`),
      /^ {2}2030-01-01T00:00:00Z +SlotSkipped +the last run goes on$/,
    ]) {
      expect(stdout.split('\n')).toContainEqual(expect.stringMatching(line));
    }
    await kubectl(['create', 'clusterrole', 'schedules-alone', '--verb=get', '--resource=crawlschedules.trawler.dev']);
    await kubectl([
      'create',
      'clusterrolebinding',
      'schedules-alone',
      '--clusterrole=schedules-alone',
      '--user=planner',
    ]);
    const kubeconfig = ['--kubeconfig', cluster.kubeconfigPath];
    const partial = await trawler(...kubeconfig, '--as', 'planner', 'describe', 'planned');
    expect(partial).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/^Schedule: +default\/planned$/m) });
    expect(partial.stdout).toMatch(/^not looked at: .*cannot list.*crawlruns/m);
    expect(partial.stdout).toMatch(/^not looked at: .*cannot list.*events/m);
  });
});

test('config says what is gone by, and which rights a person has and lacks', async () => {
  await grantEdit('configured');
  const kubeconfig = ['--kubeconfig', cluster.kubeconfigPath, '--server', 'http://127.0.0.1:9', '--token', 'x'];
  const { exitCode, stdout } = await trawler('config', ...kubeconfig, '--as', 'configured', '-n', 'default');
  expect(exitCode).toBe(0);
  for (const line of [
    /^namespace: +default$/,
    /^user: +configured$/,
    /^serverState: +.*does not answer/,
    /^pause, set, exclude, stop +patch crawlruns.trawler.dev +default +yes$/,
    /^dead requeue +retry crawlruns.trawler.dev +default +yes$/,
    /^backfill plan +create crawlbackfills.trawler.dev +default +yes$/,
    /^logs, history without it +create pods\/exec +trawler-system +no$/,
  ]) {
    expect(stdout.split('\n')).toContainEqual(expect.stringMatching(line));
  }
});

test('kubectl completes commands, options and the names of runs and schedules by the program that completion prints', async () => {
  await apply('completed', { schedule: '@daily' });
  await using folder = await temporaryFolder();
  const plugin = `#!/bin/sh\nexec ${process.execPath} ${await pluginProgram()} "$@"\n`;
  await writeFile(join(folder.path, 'kubectl-trawler'), plugin, { mode: 0o755 });
  const { stdout: script } = await trawler('completion');
  await writeFile(join(folder.path, 'kubectl_complete-trawler'), `${script}\n`, { mode: 0o755 });
  const env = { KUBECONFIG: cluster.kubeconfigPath, PATH: `${folder.path}:${process.env['PATH']}` };
  const completed = async (...words: string[]) =>
    (await execa(binary('kubectl'), ['__complete', 'trawler', ...words], { env })).stdout.split('\n');
  expect(await completed('des')).toEqual(['describe', ':4']);
  expect(await completed('describe', 'complet')).toEqual(['completed', ':4']);
  expect(await completed('-n', 'kube-system', 'describe', 'complet')).toEqual([':4']);
  expect(await completed('items', 'x', '--outp')).toEqual(['--output', ':4']);
});
