// When a run is paused, what that does to its time, and what its status says, as tables.
import { describe, expect, test } from 'vitest';
import {
  isHeld,
  isPaused,
  pausedBeforeItsTurn,
  pauseObstacle,
  refusedPause,
  timeOutAt,
} from '#src/controllers/run/pause.ts';
import type { CrawlRun } from '#src/custom-resources/types.ts';
import type { Job, Pod } from '#src/kube/builtin-types.ts';

const at = (seconds: number) => new Date(Date.UTC(2026, 0, 1, 12, 0, seconds));

function runOf(suspend: boolean | undefined, annotations: Record<string, string> = {}): CrawlRun {
  return {
    apiVersion: 'trawler.dev/v1alpha1',
    kind: 'CrawlRun',
    metadata: { name: 'shop', namespace: 'default', uid: 'uid', resourceVersion: '1', annotations },
    spec: { sources: [], ...(suspend === undefined ? {} : { suspend }) },
  };
}

const job = (suspend: boolean, labels: Record<string, string> = {}): Job => ({
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata: { name: 'shop', namespace: 'default', uid: 'job', resourceVersion: '1', labels },
  spec: { suspend, template: {} },
});
const pod = (phase: string): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: `shop-${phase}`, namespace: 'default', uid: phase, resourceVersion: '1' },
  status: { phase },
});
const KUEUE = { 'kueue.x-k8s.io/queue-name': 'crawls' };
const due = { due: true, settled: false };

test.each([
  ['it asks for it', true, { state: 'Running' }, undefined, true],
  ['it has no heartbeat yet', true, { state: 'Accepted' }, undefined, true],
  ['it does not ask for it', false, { state: 'Running' }, undefined, false],
  ['the spec says nothing', undefined, { state: 'Running' }, undefined, false],
  ['it has ended', true, { state: 'Finished' }, undefined, false],
  ['it is being stopped', true, { state: 'Running' }, 'Shutdown', false],
  ['its file is being written', true, { state: 'Running', output: due }, undefined, false],
] as const)('whether a run is paused when %s', (_what, suspend, snapshot, stopReason, paused) => {
  expect(isPaused(runOf(suspend), snapshot, stopReason)).toBe(paused);
});

test.each([
  ['its Job is suspended', job(true), { state: 'Running', startedAt: at(0) }, undefined, true],
  ['Kueue has suspended its Job', job(true, KUEUE), { state: 'Running', startedAt: at(0) }, undefined, true],
  ['its Job works', job(false, KUEUE), { state: 'Running', startedAt: at(0) }, undefined, false],
  ['it has no Job now', undefined, { state: 'Running', startedAt: at(0) }, undefined, false],
  ['its time has not begun', job(true), { state: 'Accepted' }, undefined, false],
  ['it has ended', job(true), { state: 'Finished', startedAt: at(0) }, undefined, false],
  ['it is being stopped', job(true), { state: 'Running', startedAt: at(0) }, 'Shutdown', false],
  ['its file is being written', job(true), { state: 'Running', startedAt: at(0), output: due }, undefined, false],
] as const)('whether a run at work is held by somebody else when %s', (_what, known, snapshot, stopReason, held) => {
  expect(isHeld(known, snapshot, stopReason)).toBe(held);
});

test.each([
  ['before its first heartbeat', { pausedMs: 0 }, undefined],
  ['without a pause', { startedAt: at(0), pausedMs: 0 }, at(60)],
  ['after a pause of half a minute', { startedAt: at(0), pausedMs: 30_000 }, at(90)],
  ['during a pause', { startedAt: at(0), pausedAt: at(10), pausedMs: 30_000 }, undefined],
])('the time of a run is over %s', (_what, snapshot, end) => {
  expect(timeOutAt({ timeoutSeconds: 60 }, snapshot)).toEqual(end);
});

describe('the status of a paused run', () => {
  const by = { 'trawler.dev/paused-by': 'anna', 'trawler.dev/pause-note': 'the shop moves tonight' };

  test.each<[string, Record<string, string>, Job | undefined, Pod[], string]>([
    ['its pods have gone', {}, job(true), [], 'paused by spec.suspend'],
    ['its pods have ended', {}, job(true), [pod('Failed')], 'paused by spec.suspend'],
    ['it has no Job', {}, undefined, [], 'paused by spec.suspend'],
    [
      'a pod is at work',
      {},
      job(true),
      [pod('Failed'), pod('Running')],
      'paused by spec.suspend; pages in flight are finished first',
    ],
    ['somebody did it', by, job(true), [], 'paused by spec.suspend by anna (the shop moves tonight)'],
    ['Kueue has suspended it, too', {}, job(true, KUEUE), [], 'paused by spec.suspend'],
  ])('when %s', (_what, annotations, known, pods, message) => {
    const run = runOf(true, annotations);
    expect(pauseObstacle(run, known, pods)).toMatchObject({ reason: 'Paused', patience: 'Unlimited', message });
    expect(refusedPause(known)).toBeUndefined();
  });

  test('says before its turn that it stays out of the line', () => {
    const message = 'paused by spec.suspend by anna (the shop moves tonight) before it was its turn';
    expect(pausedBeforeItsTurn(runOf(true, by))).toMatchObject({ condition: 'Accepted', reason: 'Paused', message });
  });

  test('says what to do where Kueue would resume the Job at once', () => {
    const known = job(false, KUEUE);
    expect(pauseObstacle(runOf(true), known, [])).toBeUndefined();
    expect(refusedPause(known)).toMatch(/Kueue .* Job shop .* spec\.active of its Workload/);
  });
});
