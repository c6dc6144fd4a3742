// Which changes wake a run: never the figures that its own controller writes.
import { describe, expect, test } from 'vitest';
import { jobWakesRun, podWakesRun, wakesRun } from '#src/controllers/run/run-wake.ts';
import { isNews } from '#src/controllers/run/status-writer.ts';
import type { CrawlRun } from '#src/custom-resources/types.ts';
import type { Job, Pod } from '#src/kube/builtin-types.ts';
import type { CrawlRunStatus } from '#src/resources/crawl-run.ts';

const condition = (type: string, status: 'True' | 'False', reason: string, message = '') => {
  return { type, status, reason, message, lastTransitionTime: '2026-01-01T12:00:00Z' };
};
const status: CrawlRunStatus = { phase: 'Running', conditions: [condition('Progressing', 'True', 'Crawling')] };
const run: CrawlRun = {
  apiVersion: 'trawler.dev/v1alpha1',
  kind: 'CrawlRun',
  metadata: { name: 'shop-1', namespace: 'default', uid: 'uid', resourceVersion: '1', generation: 1 },
  spec: { sources: [{ name: 'shop', urls: ['http://shop.example/'] }] },
  status,
};
const finished = { ...status, conditions: [condition('Finished', 'True', 'Succeeded')] };
const { status: _, ...wiped } = run;

describe('a run', () => {
  test.each<[string, boolean, CrawlRun]>([
    ['another message', false, { ...run, status: { ...status, message: 'Crawling 1/2 shop' } }],
    ['another phase', false, { ...run, status: { ...status, phase: 'Stopping' } }],
    ['another label', false, { ...run, metadata: { ...run.metadata, labels: { a: 'b' } } }],
    ['another spec', true, { ...run, metadata: { ...run.metadata, generation: 2 } }],
    ['its deletion', true, { ...run, metadata: { ...run.metadata, deletionTimestamp: '2026-01-01T12:00:00Z' } }],
    ['its end', true, { ...run, status: finished }],
    ['a status that somebody wiped', true, wiped],
  ])('with %s: %s', (_what, wakes, object) => {
    expect(wakesRun({ type: 'updated', object, previous: run })).toBe(wakes);
  });

  test('that is new or gone wakes its controller', () => {
    expect([wakesRun({ type: 'added', object: run }), wakesRun({ type: 'deleted', object: run })]).toEqual([
      true,
      true,
    ]);
  });
});

describe('a Job', () => {
  const job: Job = {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: 'a', uid: 'b', resourceVersion: '1' },
    status: { active: 1 },
  };
  test.each<[string, boolean, Job]>([
    ['pods that are counted', false, { ...job, status: { active: 1, uncountedTerminatedPods: {} } }],
    ['fewer pods', true, { ...job, status: { active: 0 } }],
    ['a suspension', true, { ...job, spec: { suspend: true, template: {} } }],
    ['its end', true, { ...job, status: { active: 1, conditions: [{ type: 'Failed', status: 'True' }] } }],
  ])('with %s: %s', (_what, wakes, object) => {
    expect(jobWakesRun({ type: 'updated', object, previous: job })).toBe(wakes);
  });
});

describe('a pod', () => {
  const pod: Pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'a', uid: 'b', resourceVersion: '1' },
    status: { phase: 'Pending' },
  };
  test.each<[string, boolean, Pod]>([
    ['an address', false, { ...pod, status: { phase: 'Pending', podIP: '10.0.0.1' } }],
    ['another phase', true, { ...pod, status: { phase: 'Running' } }],
    ['a node', true, { ...pod, spec: { containers: [], nodeName: 'node1' } }],
    [
      'a verdict of the scheduler',
      true,
      { ...pod, status: { phase: 'Pending', conditions: [{ type: 'PodScheduled', status: 'False' }] } },
    ],
  ])('with %s: %s', (_what, wakes, object) => {
    expect(podWakesRun({ type: 'updated', object, previous: pod })).toBe(wakes);
  });
});

describe('a status is written at once', () => {
  test.each<[string, boolean, CrawlRunStatus]>([
    ['with other figures', false, { ...status, message: 'x', lastHeartbeatTime: '2026-01-01T12:00:00Z' }],
    [
      'with another message of a condition',
      false,
      { ...status, conditions: [condition('Progressing', 'True', 'Crawling', 'x')] },
    ],
    ['with another phase', true, { ...status, phase: 'Stopping' }],
    ['with another reason', true, { ...status, conditions: [condition('Progressing', 'True', 'HostsBlocked')] }],
    [
      'with another condition',
      true,
      { ...status, conditions: [...(status.conditions ?? []), condition('Finished', 'True', 'Succeeded')] },
    ],
  ])('%s: %s', (_what, atOnce, after) => {
    expect(isNews(status, after)).toBe(atOnce);
  });

  test('when it is the first', () => {
    expect(isNews(undefined, status)).toBe(true);
  });
});
