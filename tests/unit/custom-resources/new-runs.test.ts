import { expect, test } from 'vitest';
import { backfillRun, manualRun, retryRun, scheduledRun } from '#src/custom-resources/new-runs.ts';
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

test('a due slot gives a run with the template, owned by the schedule', () => {
  const run = scheduledRun(schedule, spec, slot);
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
  expect(backfillRun(schedule, spec, slot)).toMatchObject({
    metadata: { name: 'shop-1767225600-backfill' },
    spec: { trigger: { type: 'Backfill', scheduledTime: '2026-01-01T00:00:00Z' } },
  });
});

test('a retry has the same spec and owner, and does not inherit the stop', () => {
  const created = scheduledRun(schedule, spec, slot);
  const run: CrawlRun = {
    apiVersion: 'trawler.dev/v1alpha1',
    kind: 'CrawlRun',
    metadata: { ...created.metadata, uid: 'run-uid', resourceVersion: '1' },
    spec: { ...created.spec, shutdown: 'Stop' },
  };
  const retry = retryRun(run, 'Dead', 2);
  expect(retry.metadata).toMatchObject({
    name: 'shop-1767225600-retry-2',
    ownerReferences: created.metadata.ownerReferences,
  });
  expect(retry.spec).toEqual({
    ...created.spec,
    trigger: { type: 'Retry', retryOf: 'shop-1767225600', only: 'Dead', scheduledTime: '2026-01-01T00:00:00Z' },
  });
});
