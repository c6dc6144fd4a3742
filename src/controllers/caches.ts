// The caches that the controllers share, and by what each is looked up.
import {
  CRAWL_BACKFILLS,
  CRAWL_RUNS,
  CRAWL_SCHEDULES,
  type CrawlBackfill,
  type CrawlRun,
  type CrawlSchedule,
} from '../custom-resources/types.ts';
import { JOBS, type Job, PODS, type Pod } from '../kube/builtin-types.ts';
import { type Cache, createCache } from '../kube/cache.ts';
import type { KubeApi } from '../kube/client.ts';
import { controllerOf, type KubeObject, objectKey, withoutField } from '../kube/kube-object.ts';
import { mergeCaches } from '../kube/merged-cache.ts';
import type { KubeMetrics } from '../kube/metrics.ts';
import { createPartSharing } from '../kube/shared-parts.ts';
import { ANNOTATION, LABEL } from '../resources/group.ts';
import { childName, outputJobName } from '../resources/names.ts';
import type { Logger } from '../telemetry/logger.ts';

/** By the schedule in the same namespace that it comes after, as `namespace/name`. */
export type ScheduleCache = Cache<CrawlSchedule, 'after'>;
/** By the UID of the schedule that controls a run, by the run's own, and by the run that it tries again, as `namespace/name`. */
export type RunCache = Cache<CrawlRun, 'controller' | 'uid' | 'retryOf'>;
/** By the schedule in the same namespace whose times they fill in, as `namespace/name`. */
export type BackfillCache = Cache<CrawlBackfill, 'schedule'>;
/** Jobs of runs only. */
export type JobCache = Cache<Job>;
/** Crawler pods only, by the namespace and the UID of their run. */
export type PodCache = Cache<Pod, 'run'>;

export type Caches = {
  readonly scheduleCache: ScheduleCache;
  readonly runCache: RunCache;
  readonly backfillCache: BackfillCache;
  readonly jobCache: JobCache;
  readonly podCache: PodCache;
};

export type CachesOptions = {
  readonly api: KubeApi;
  /** The namespaces to look after; absent: all of them. */
  readonly namespaces?: readonly string[];
  readonly logger: Logger;
  readonly metrics: KubeMetrics;
  readonly signal: AbortSignal;
};

/** The run's pods, whatever became of them: those of its Jobs, not what carries the label alone. */
export function podsOf(pods: PodCache, run: CrawlRun): Pod[] {
  const { namespace, name, uid } = run.metadata;
  const jobs = [childName(name), outputJobName(name)];
  return podsOfUid(pods, namespace, uid).filter((pod) => jobs.includes(controllerOf(pod)?.name ?? ''));
}

/** The pods of the run with this UID, which may be gone itself. */
export function podsOfUid(pods: PodCache, namespace: string, runUid: string): Pod[] {
  return pods.byIndex('run', objectKey({ namespace, name: runUid }));
}

/**
 * Where a pod is found. A label alone makes no pod one of a run: whoever may create pods, in any namespace, may write it.
 * A Job of the run's namespace has to control the pod.
 */
function runOfPod(pod: Pod): [string] | [] {
  const uid = pod.metadata.labels?.[LABEL.runUid];
  const { namespace } = pod.metadata;
  if (uid === undefined || namespace === undefined || controllerOf(pod)?.kind !== 'Job') return [];
  return [objectKey({ namespace, name: uid })];
}

/** The key of the schedule that this one comes after, when there is one. */
function upstreamKey({ spec, metadata }: CrawlSchedule): [string] | undefined {
  if (spec.after === undefined) return undefined;
  return [objectKey({ namespace: metadata.namespace, name: spec.after.schedule })];
}

/** The key of the run that this one tries again, when it is a retry. */
function retriedKey({ spec, metadata }: CrawlRun): [string] | undefined {
  if (spec.trigger?.retryOf === undefined) return undefined;
  return [objectKey({ namespace: metadata.namespace, name: spec.trigger.retryOf })];
}

/** The runs that try this one again, by themselves or by hand. */
export function retriesOf(runs: RunCache, { metadata: { namespace, name } }: CrawlRun): CrawlRun[] {
  return runs.byIndex('retryOf', objectKey({ namespace, name }));
}

const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';

/** What `kubectl apply` notes on an object is as large as the object, and nobody here reads it. */
function withoutLastApplied<T extends KubeObject>(object: T): T {
  const { annotations } = object.metadata;
  if (annotations !== undefined) object.metadata.annotations = withoutField(annotations, LAST_APPLIED);
  return object;
}

function withoutAnnotations<T extends KubeObject>(object: T): T {
  object.metadata = withoutField(object.metadata, 'annotations');
  return object;
}

/** Of a schedule's annotations, those that ask for something. */
function withRequests(schedule: CrawlSchedule): CrawlSchedule {
  const { annotations = {} } = schedule.metadata;
  const requests = [ANNOTATION.runRequested, ANNOTATION.resumeRequested].flatMap((name) => {
    const value = annotations[name];
    return value === undefined ? [] : [[name, value]];
  });
  const bare = withoutAnnotations(schedule);
  if (requests.length > 0) bare.metadata.annotations = Object.fromEntries(requests);
  return bare;
}

/** Of a Job nobody reads what its pods are made of; of a pod, only what it runs, where and how it fares. */
function withoutTemplate(job: Job): Job {
  if (job.spec) job.spec.template = {};
  return withoutAnnotations(job);
}

function withoutDetails(pod: Pod): Pod {
  const { containers = [], nodeName } = pod.spec ?? {};
  const spec = {
    containers: containers.map(({ name, image }) => ({ name, ...(image === undefined ? {} : { image }) })),
    ...(nodeName === undefined ? {} : { nodeName }),
  };
  return withoutAnnotations({ ...pod, spec });
}

/** Starts the caches; they live until the signal is aborted. */
export function startCaches({ namespaces, ...options }: CachesOptions): Caches {
  const sharing = createPartSharing();
  if (namespaces === undefined) return cachesOf(options, sharing);
  const byNamespace = new Map(namespaces.map((namespace) => [namespace, cachesOf(options, sharing, namespace)]));
  const merged = <T extends KubeObject, Index extends string>(select: (caches: Caches) => Cache<T, Index>) =>
    mergeCaches(new Map([...byNamespace].map(([namespace, caches]) => [namespace, select(caches)])));
  return {
    scheduleCache: merged(({ scheduleCache }) => scheduleCache),
    runCache: merged(({ runCache }) => runCache),
    backfillCache: merged(({ backfillCache }) => backfillCache),
    jobCache: merged(({ jobCache }) => jobCache),
    podCache: merged(({ podCache }) => podCache),
  };
}

/** @param namespace absent: the whole cluster */
function cachesOf(
  { api, ...shared }: Omit<CachesOptions, 'namespaces'>,
  sharing: ReturnType<typeof createPartSharing>,
  namespace?: string,
): Caches {
  const all = { ...shared, ...(namespace === undefined ? {} : { namespace }) };
  const ofRuns = { ...all, labelSelector: LABEL.runUid };
  return {
    scheduleCache: createCache<CrawlSchedule, 'after'>(api.resource(CRAWL_SCHEDULES), {
      ...all,
      transform: (schedule) => sharing(withRequests(schedule)),
      indexes: { after: (schedule) => upstreamKey(schedule) ?? [] },
    }),
    runCache: createCache<CrawlRun, 'controller' | 'uid' | 'retryOf'>(api.resource(CRAWL_RUNS), {
      ...all,
      // Its annotations go on to its Job.
      transform: (run) => sharing(withoutLastApplied(run)),
      indexes: {
        controller: (run) => [controllerOf(run)?.uid ?? ''],
        uid: (run) => [run.metadata.uid],
        retryOf: (run) => retriedKey(run) ?? [],
      },
    }),
    backfillCache: createCache<CrawlBackfill, 'schedule'>(api.resource(CRAWL_BACKFILLS), {
      ...all,
      transform: withoutAnnotations,
      indexes: {
        schedule: ({ metadata: { namespace }, spec }) => [objectKey({ namespace, name: spec.scheduleName })],
      },
    }),
    jobCache: createCache<Job>(api.resource(JOBS), {
      ...ofRuns,
      transform: (job) => sharing(withoutTemplate(job)),
      indexes: {},
    }),
    podCache: createCache<Pod, 'run'>(api.resource(PODS), {
      ...ofRuns,
      transform: withoutDetails,
      indexes: { run: runOfPod },
    }),
  };
}
