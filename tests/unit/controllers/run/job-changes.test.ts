// What an edit of a live run changes of its Job.
import { expect, test } from 'vitest';
import { crawlJob } from '#src/controllers/run/crawl-job.ts';
import { jobChanges } from '#src/controllers/run/run-job.ts';
import type { CrawlRun } from '#src/custom-resources/types.ts';
import type { Job } from '#src/kube/builtin-types.ts';
import { crawlRunSpec } from '#src/resources/crawl-run.ts';
import { JOB_SETTINGS } from '../../../support/job-settings.ts';

const metadata = { name: 'shop-1', namespace: 'default', uid: 'run-uid', resourceVersion: '1' };
const sources = [{ name: 'shop', urls: ['http://shop.example/'] }];
const run: CrawlRun = { apiVersion: 'trawler.dev/v1alpha1', kind: 'CrawlRun', metadata, spec: { sources } };
const specOf = (spec: object) => crawlRunSpec.parse({ sources, startTimeoutSeconds: 60, timeoutSeconds: 600, ...spec });
const jobOf = (spec: object, labels: Record<string, string> = {}): Job => {
  const job = crawlJob(run, specOf(spec), JOB_SETTINGS);
  return { ...job, metadata: { ...metadata, labels } } as Job;
};

test.each([
  ['nothing', {}, undefined],
  ['another limit', { limits: { maxPages: 7 } }, undefined],
  ['more workers', { workers: 5 }, { completions: 5, parallelism: 5, activeDeadlineSeconds: 4_260 }],
  ['fewer workers', { workers: 1 }, { completions: 1, parallelism: 1, activeDeadlineSeconds: 4_260 }],
  ['a later end', { timeoutSeconds: 900 }, { completions: 2, parallelism: 2, activeDeadlineSeconds: 4_560 }],
])('%s', (_what, edit, changes) => {
  expect(jobChanges(jobOf({ workers: 2 }), specOf({ workers: 2, ...edit }))).toEqual(changes);
});

test('a Job of Kueue stays as it was admitted', () => {
  const job = jobOf({ workers: 2 }, { 'kueue.x-k8s.io/queue-name': 'crawls' });
  expect(jobChanges(job, specOf({ workers: 5 }))).toBeUndefined();
});
