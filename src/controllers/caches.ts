// The caches that the controllers share, and by what each is looked up.
import { JOBS, type Job, PODS, type Pod } from '../kube/builtin-types.ts';
import { type Cache, createCache } from '../kube/cache.ts';
import type { KubeApi } from '../kube/client.ts';
import { CRAWL_RUNS, CRAWL_SCHEDULES, type CrawlRun, type CrawlSchedule } from '../kube/custom-types.ts';
import { controllerOf, objectKey } from '../kube/kube-object.ts';
import type { KubeMetrics } from '../kube/metrics.ts';
import { LABEL } from '../resources/group.ts';
import type { Logger } from '../telemetry/logger.ts';

/** By the schedule in the same namespace that it comes after, as `namespace/name`. */
export type ScheduleCache = Cache<CrawlSchedule, 'after'>;
/** By the UID of the schedule that controls a run, and by the run's own. */
export type RunCache = Cache<CrawlRun, 'controller' | 'uid'>;
/** Jobs of runs only. */
export type JobCache = Cache<Job>;
/** Crawler pods only, by the UID of their run. */
export type PodCache = Cache<Pod, 'run'>;

export type Caches = {
  readonly scheduleCache: ScheduleCache;
  readonly runCache: RunCache;
  readonly jobCache: JobCache;
  readonly podCache: PodCache;
};

export type CachesOptions = {
  readonly api: KubeApi;
  readonly logger: Logger;
  readonly metrics: KubeMetrics;
  readonly signal: AbortSignal;
};

/** The key of the schedule that this one comes after, when there is one. */
function upstreamKey({ spec, metadata }: CrawlSchedule): [string] | undefined {
  if (spec.after === undefined || metadata.namespace === undefined) return undefined;
  return [objectKey({ namespace: metadata.namespace, name: spec.after.schedule })];
}

/** Starts the caches; they live until the signal is aborted. */
export function startCaches({ api, ...shared }: CachesOptions): Caches {
  const ofRuns = { ...shared, labelSelector: LABEL.runUid };
  return {
    scheduleCache: createCache<CrawlSchedule, 'after'>(api.resource(CRAWL_SCHEDULES), {
      ...shared,
      indexes: { after: (schedule) => upstreamKey(schedule) ?? [] },
    }),
    runCache: createCache<CrawlRun, 'controller' | 'uid'>(api.resource(CRAWL_RUNS), {
      ...shared,
      indexes: {
        controller: (run) => [controllerOf(run)?.uid ?? ''],
        uid: (run) => [run.metadata.uid],
      },
    }),
    jobCache: createCache<Job>(api.resource(JOBS), { ...ofRuns, indexes: {} }),
    podCache: createCache<Pod, 'run'>(api.resource(PODS), {
      ...ofRuns,
      indexes: { run: (pod) => [pod.metadata.labels?.[LABEL.runUid] ?? ''] },
    }),
  };
}
