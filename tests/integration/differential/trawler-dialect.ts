// How CrawlSchedules and their CrawlRuns say it. There is no node, so that their pods wait for ever.

import { manualRun } from '#src/custom-resources/new-runs.ts';
import {
  CRAWL_RUNS,
  CRAWL_SCHEDULES,
  type CrawlRun,
  type CrawlSchedule,
  isFinished,
} from '#src/custom-resources/types.ts';
import { JOBS, type Job } from '#src/kube/builtin-types.ts';
import { crawlScheduleSpec } from '#src/resources/crawl-schedule.ts';
import { runName } from '#src/resources/names.ts';
import { endOfJob } from './cronjob-dialect.ts';
import type { Dialect } from './side.ts';

const crawl = { sources: [{ name: 'shop', urls: ['http://shop.example/'] }] };
const stop = { type: 'merge', body: { spec: { shutdown: 'Stop' } } } as const;

export const trawlerDialect: Dialect<CrawlRun> = {
  schedules: CRAWL_SCHEDULES,
  children: CRAWL_RUNS,
  spec: ({ history, ...spec }) => ({
    ...spec,
    ...(history ? { successfulRunsHistoryLimit: history.succeeded, failedRunsHistoryLimit: history.failed } : {}),
  }),
  template: () => ({ runTemplate: { spec: crawl } }),
  slotOf: ({ spec }) => {
    const time = spec.trigger?.scheduledTime;
    return time === undefined ? undefined : new Date(time);
  },
  childName: runName,
  childSpec: () => crawl,
  childByHand: (schedule) => {
    const { spec } = schedule as CrawlSchedule;
    return manualRun(schedule as CrawlSchedule, crawlScheduleSpec.parse(spec), new Date());
  },
  end: async (api, run, signal) => {
    if (!isFinished(run)) await api.resource<CrawlRun>(CRAWL_RUNS).patch(run.metadata, stop, { signal });
  },
  bringToEnd: async (api, run, ends, signal) => {
    if (isFinished(run)) return;
    if (ends === 'completes') {
      if (run.spec.shutdown === undefined)
        await api.resource<CrawlRun>(CRAWL_RUNS).patch(run.metadata, stop, { signal });
      return;
    }
    const name = run.status?.jobName;
    if (name === undefined) return;
    const ref = { namespace: run.metadata.namespace, name };
    const job = await api.resource<Job>(JOBS).get(ref, { signal });
    if (job && job.spec?.activeDeadlineSeconds !== 1) await api.resource<Job>(JOBS).patch(ref, endOfJob, { signal });
  },
};
