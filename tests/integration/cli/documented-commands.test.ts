// Every command of the plugin that README and docs name does what they say, with its options, against real parts.
import { mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  CRAWL_BACKFILLS,
  CRAWL_RUNS,
  CRAWL_SCHEDULES,
  type CrawlBackfill,
  type CrawlRun,
  type CrawlSchedule,
} from '#src/custom-resources/types.ts';
import type { KubeObject, ObjectRef } from '#src/kube/kube-object.ts';
import type { ResourceClient } from '#src/kube/resource-client.ts';
import { projectRoot } from '../../../dev/setup/paths.mjs';
import { never, urls } from '../store/fixture.ts';
import { answerProxyTests } from './proxy-tests.ts';
import { LIVE_RUN, RUN, SCHEDULE, type Shop, startShop } from './shop.ts';

/** What stands for a name in the docs. */
const NAMES: Readonly<Record<string, string>> = {
  BACKFILL: 'january',
  HASH: '0123456789ab',
  ...{ 'shop.example': 'site.test' },
  ...{ SCHEDULE, RUN, NAME: RUN, NAMESPACE: 'default', 'shop.yaml': 'first-schedule.yaml' },
};
/** They need nothing behind their name. */
const ALONE = new Set(['next', 'top', 'doctor', 'config', 'completion', 'tables']);
/** These act on a run that is at work. */
const FOR_LIVE_RUNS = new Set(['top', 'pause', 'resume', 'set', 'exclude', 'stop', 'terminate']);
/** These act on a schedule that tries out an image. */
const FOR_CANARIES = new Set(['promote', 'abandon']);

let shop: Shop;

beforeAll(async () => {
  shop = await startShop();
});
afterAll(() => shop?.stop());

/** In code blocks and in spans, each once: the words after `kubectl trawler`, quotes taken off. */
async function documented(): Promise<string[][]> {
  const docs = join(projectRoot, 'docs');
  const pages = (await readdir(docs)).filter((name) => name.endsWith('.md')).map((name) => join(docs, name));
  const texts = await Promise.all([join(projectRoot, 'README.md'), ...pages].map((page) => readFile(page, 'utf8')));
  const lines = texts.flatMap((text) =>
    [...text.matchAll(/(?:^|`)kubectl trawler ([^`#|\n]*[^`#|\n ])/gm)].map(([, line = '']) => line),
  );
  return [...new Set(lines)]
    .map((line) => [...line.matchAll(/((?:'[^']*'|[^\s'])+)/g)].map(([word]) => word.replaceAll("'", '')))
    .filter((words) => words.length > 1 || ALONE.has(words[0] ?? ''))
    .map((words) => words.map((word) => NAMES[word] ?? word))
    .map((words) => (isForLiveLetters(words) ? words.map((word) => (word === RUN ? LIVE_RUN : word)) : words));
}

/** They need pages of a run that wait or have died. */
const isForLiveLetters = ([group, action]: readonly string[]) =>
  group === 'reset-host' || (group === 'dead' && action !== 'list');

/** Such that the command ends with 0: what watches a run ends as that does. */
function phaseFor(command: string): 'Running' | 'Succeeded' | 'Failed' {
  if (FOR_LIVE_RUNS.has(command)) return 'Running';
  return command === 'watch' ? 'Succeeded' : 'Failed';
}

/** The run as the operator would leave it. */
async function bringRun(phase: 'Running' | 'Succeeded' | 'Failed'): Promise<void> {
  const runs = shop.server.api.resource<CrawlRun>(CRAWL_RUNS);
  const ref = { namespace: 'default', name: RUN };
  await runs.delete(ref, { signal: never });
  const spec = { scheduleName: SCHEDULE, sources: [{ name: 'site', urls: ['https://site.test/'] }] };
  await runs.create({ metadata: ref, spec }, { signal: never });
  const [status, reason] = phase === 'Running' ? ['False', 'Crawling'] : ['True', phase];
  const condition = { type: 'Finished', status, reason, message: reason, lastTransitionTime: '2026-01-01T00:00:00Z' };
  await mergeStatus(runs, ref, { phase, conditions: [condition] });
}

async function bringCanary(): Promise<void> {
  const schedules = shop.server.api.resource<CrawlSchedule>(CRAWL_SCHEDULES);
  const ref = { namespace: 'default', name: SCHEDULE };
  const canary = { image: 'registry.test/crawler:next', percent: 10 };
  const spec = { canary, runTemplate: { spec: { image: null } } };
  await schedules.patch(ref, { type: 'merge', body: { spec } }, { signal: never });
  const figures = { runs: 3, failedRuns: 0 };
  const verdict = { since: '2026-01-01T00:00:00Z', verdict: 'Healthy', message: 'as good as the other' };
  await mergeStatus(schedules, ref, {
    canary: { image: canary.image, ...verdict, canary: figures, current: figures },
  });
}

/** Backfills as an operator would show them: nobody waits for their plan. */
async function planBackfills(signal: AbortSignal): Promise<void> {
  const backfills = shop.server.api.resource<CrawlBackfill>(CRAWL_BACKFILLS);
  const plan = { hash: '0123456789ab', template: '0123456789ab', skipped: 0, scheduleUid: 'x' };
  const planned = { type: 'Planned', status: 'True', reason: 'PlanReady', message: 'one run' };
  const conditions = [{ ...planned, lastTransitionTime: '2026-01-01T00:00:00Z' }];
  while (!signal.aborted) {
    const { items } = await backfills.list({ namespace: 'default', signal: never });
    for (const { metadata } of items) {
      const status = { phase: 'Planned', conditions, plan, approvedPlan: plan.hash, runs: [] };
      await mergeStatus(backfills, metadata, status);
    }
    await delay(200);
  }
}

async function mergeStatus<T extends KubeObject>(
  resources: ResourceClient<T>,
  ref: ObjectRef,
  status: object,
): Promise<void> {
  await resources.patch(ref, { type: 'merge', body: { status } }, { signal: never, subresource: 'status' });
}

test('every command that README and docs name runs as it is written', async () => {
  await shop.server.kubectl(['apply', '-f', '-'], {
    ...{ apiVersion: 'trawler.dev/v1alpha1', kind: 'CrawlBackfill' },
    metadata: { name: 'january', namespace: 'default' },
    spec: { scheduleName: SCHEDULE, from: '2026-01-01T00:00:00Z', to: '2026-01-02T00:00:00Z' },
  });
  await shop.live.worker().seed(urls(2), never);
  const ending = new AbortController();
  const operator = Promise.all([planBackfills(ending.signal), answerProxyTests(shop, ending.signal)]);
  const commands = await documented();
  const known = new Set(commands.map(([name]) => name));
  for (const name of [
    'explain',
    'logs',
    'history',
    'items',
    'dead',
    'next',
    'pause',
    'retry',
    'run',
    'doctor',
    'lint',
  ]) {
    expect([...known], `the docs name ${name}`).toContain(name);
  }
  const failed: string[] = [];
  for (const words of commands) {
    await bringRun(phaseFor(words[0] ?? ''));
    if (FOR_CANARIES.has(words[0] ?? '')) await bringCanary();
    const { exitCode, stdout, stderr } = await trawler(words);
    if (exitCode !== 0 || stdout === '') failed.push(`${words.join(' ')}: ${exitCode} ${stdout} ${stderr}`);
  }
  ending.abort();
  await operator;
  expect(failed).toEqual([]);
}, 600_000);

test('every command that the plugin has is named in README or docs', async () => {
  const named = new Set((await documented()).map(([name]) => name));
  const { stdout } = await trawler(['--help']);
  const [, listed = ''] = stdout.split('Commands:\n');
  const commands = [...listed.matchAll(/^ {2}([a-z-]+)/gm)].map(([, name]) => name).filter((name) => name !== 'help');
  expect(commands.length).toBeGreaterThan(15);
  expect(commands.filter((name) => !named.has(name))).toEqual([]);
});

/** Without a server these ask the operator's pod, which no kubelet runs here: a kubectl that writes down what it is asked. */
const IN_OPERATOR = new Set(['notifications']);

async function pathWithKubectl(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'trawler-kubectl-'));
  const script = `#!/bin/sh
case "$*" in
  *"get lease"*) printf operator-1_4711 ;;
  *can-i*) echo yes ;;
  *) echo "$*" ;;
esac
`;
  await writeFile(join(directory, 'kubectl'), script, { mode: 0o755 });
  return `${directory}:${process.env['PATH']}`;
}

test('without a server, deliveries are asked of the operator by the UID of their schedule', async () => {
  const uid = await shop.server.kubectl(['get', 'crawlschedule', SCHEDULE, '-o', 'jsonpath={.metadata.uid}']);
  const asked = async (...words: string[]) => (await trawler(['notifications', ...words])).stdout;
  const inPod = 'exec -n trawler-system operator-1 -c operator -- node /app/main.js notifications';
  expect(await asked('list', SCHEDULE, '--state', 'failed')).toBe(
    `${inPod} list --state failed --limit 50 --schedule-uid ${uid}`,
  );
  expect(await asked('redeliver', SCHEDULE, '--all', '--json')).toBe(`${inPod} redeliver --schedule-uid ${uid} --json`);
  expect(await asked('test', SCHEDULE, '--target', 'ops')).toBe(
    `${inPod} test ops -n default --schedule ${SCHEDULE} --schedule-uid ${uid}`,
  );
  expect(await trawler(['notifications', 'test', SCHEDULE, '--target', 'other'])).toMatchObject({
    ...{ exitCode: 1, stderr: 'error: CrawlSchedule "shop" has no receiver "other" (spec.notifications)' },
  });
  expect(await trawler(['notifications', 'redeliver', SCHEDULE])).toMatchObject({
    ...{ exitCode: 1, stderr: 'error: say which: --id, --target, or else --all' },
  });
});

async function trawler(words: readonly string[]) {
  const inOperator = async () => ({ TRAWLER_SERVER: undefined, PATH: await pathWithKubectl() });
  return shop.trawler(words, IN_OPERATOR.has(words[0] ?? '') ? await inOperator() : {});
}

test('tables tells the sizes of tables, partitions together, and whose connections there are', async () => {
  const { stdout, exitCode } = await trawler(['tables']);
  expect(exitCode).toBe(0);
  expect(stdout).toMatch(/^TABLE +SIZE +INDEXES +ROWS +DEAD +PARTITIONS$/m);
  expect(stdout).toMatch(/^request +\d+\.\dMi +\d+\.\dMi +\d+ +\d+ +1$/m);
  expect(stdout).not.toMatch(/^request_\d/m);
  expect(stdout).toMatch(/^ROLE +STATE +CONNECTIONS$/m);
  const { stdout: json } = await trawler(['--json', 'tables']);
  expect(JSON.parse(json)).toMatchObject({
    tables: expect.arrayContaining([expect.objectContaining({ name: 'item', partitions: 1 })]),
    connections: expect.arrayContaining([expect.objectContaining({ count: expect.any(Number) })]),
    longQueries: [],
    statements: { state: 'NotCreated', slowest: [] },
  });
});
