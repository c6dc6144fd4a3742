import { expect, test } from 'vitest';
import { backfillRun, manualRun, requestedRun, retryRun, slotRun } from '#src/custom-resources/new-runs.ts';
import type { CrawlRun, CrawlSchedule } from '#src/custom-resources/types.ts';
import { crawlRunSpec } from '#src/resources/crawl-run.ts';
import { crawlScheduleSpec } from '#src/resources/crawl-schedule.ts';

const sources = [{ name: 'shop', urls: ['http://shop.example/'] }];
const schedule: CrawlSchedule = {
  apiVersion: 'trawler.dev/v1alpha1',
  kind: 'CrawlSchedule',
  metadata: { name: 'shop', namespace: 'crawls', uid: 'schedule-uid', resourceVersion: '1' },
  spec: {
    schedule: '0 * * * *',
    runTemplate: { metadata: { labels: { team: 'data' }, annotations: { note: 'x' } }, spec: { sources, workers: 3 } },
  },
};
const spec = crawlScheduleSpec.parse(schedule.spec);
const slot = new Date('2026-01-01T00:00:00Z');
const backfill = { metadata: { name: 'january', uid: 'backfill-uid' } };

test('a due slot gives a run with the template, owned by the schedule', () => {
  const run = slotRun(schedule, spec, slot, 'Schedule');
  expect(run).toMatchObject({
    metadata: {
      name: 'shop-1767225600',
      namespace: 'crawls',
      labels: { team: 'data', 'trawler.dev/schedule': 'shop', 'trawler.dev/schedule-uid': 'schedule-uid' },
      annotations: { note: 'x' },
      ownerReferences: [{ kind: 'CrawlSchedule', uid: 'schedule-uid', controller: true }],
    },
    spec: { scheduleName: 'shop', workers: 3, trigger: { type: 'Schedule', scheduledTime: '2026-01-01T00:00:00Z' } },
  });
  expect(() => crawlRunSpec.parse(run.spec)).not.toThrow();
});

test('manual and backfilled runs have names of their own', () => {
  expect(manualRun(schedule, spec, slot)).toMatchObject({
    metadata: { name: 'shop-1767225600-manual' },
    spec: { trigger: { type: 'Manual' } },
  });
  expect(manualRun(schedule, spec, slot).spec.trigger).not.toHaveProperty('scheduledTime');
  expect(backfillRun(schedule, spec, slot, backfill)).toMatchObject({
    metadata: {
      name: expect.stringMatching(/^shop-1767225600-backfill-[0-9a-f]{6}$/),
      labels: { team: 'data', 'trawler.dev/backfill': 'january', 'trawler.dev/backfill-uid': 'backfill-uid' },
    },
    spec: { trigger: { type: 'Backfill', scheduledTime: '2026-01-01T00:00:00Z' }, priority: -1 },
  });
  const other = backfillRun(schedule, spec, slot, { metadata: { name: 'january', uid: 'other' } });
  expect(other.metadata.name).not.toBe(backfillRun(schedule, spec, slot, backfill).metadata.name);
});

test('a request gives the same run each time, and another request another one', () => {
  const asked = requestedRun(schedule, spec, 'now');
  expect(asked).toEqual(requestedRun(schedule, spec, 'now'));
  expect(asked.metadata.name).toMatch(/^shop-[0-9a-f]{8}-manual$/);
  expect(asked.spec.trigger).toEqual({ type: 'Manual', only: 'All' });
  expect(requestedRun(schedule, spec, 'again').metadata.name).not.toBe(asked.metadata.name);
  const namesake = { ...schedule, metadata: { ...schedule.metadata, uid: 'other' } };
  expect(requestedRun(namesake, spec, 'now').metadata.name).not.toBe(asked.metadata.name);
});

test('only runs of slots block the deletion of their schedule: users need no right to its finalizers', () => {
  const blocks = (run: { metadata: { ownerReferences?: { blockOwnerDeletion?: boolean }[] } }) =>
    run.metadata.ownerReferences?.map(({ blockOwnerDeletion }) => blockOwnerDeletion);
  expect(blocks(slotRun(schedule, spec, slot, 'CatchUp'))).toEqual([true]);
  for (const made of [
    manualRun(schedule, spec, slot),
    requestedRun(schedule, spec, 'now'),
    backfillRun(schedule, spec, slot, backfill),
  ]) {
    expect(blocks(made)).toEqual([false]);
  }
});

test('a retry has the same spec and owner, and does not inherit the stop', () => {
  const created = slotRun(schedule, spec, slot, 'Schedule');
  const run: CrawlRun = {
    apiVersion: 'trawler.dev/v1alpha1',
    kind: 'CrawlRun',
    metadata: {
      ...created.metadata,
      uid: 'run-uid',
      resourceVersion: '1',
      annotations: { note: 'x', 'kubectl.kubernetes.io/last-applied-configuration': '{}' },
    },
    spec: { ...created.spec, shutdown: 'Stop' },
  };
  const retry = retryRun(run, { only: 'Dead', causes: ['Timeout'] }, 2);
  expect(retry.metadata).toMatchObject({
    name: 'shop-1767225600-retry-2',
    labels: created.metadata.labels,
    ownerReferences: [{ uid: 'schedule-uid', controller: true, blockOwnerDeletion: false }],
  });
  expect(retry.metadata.annotations).toEqual({ note: 'x' });
  expect(retry.spec).toEqual({
    ...created.spec,
    trigger: {
      type: 'Retry',
      retryOf: 'shop-1767225600',
      only: 'Dead',
      causes: ['Timeout'],
      scheduledTime: '2026-01-01T00:00:00Z',
    },
  });
});
