// The Job of a run's workers: made, found again, made again once, and suspended while the run is paused, or when it has to
// stop.
import { isDeepStrictEqual } from 'node:util';
import type { CrawlRun } from '../../custom-resources/types.ts';
import type { Job, PersistentVolumeClaim } from '../../kube/builtin-types.ts';
import type { EventRecorder } from '../../kube/events.ts';
import { isAlreadyExists, isConflict, KubeError } from '../../kube/kube-error.ts';
import { isControlledBy } from '../../kube/kube-object.ts';
import type { ResourceClient } from '../../kube/resource-client.ts';
import type { CrawlRunSpec } from '../../resources/crawl-run.ts';
import { LABEL } from '../../resources/group.ts';
import { childName, outputJobName } from '../../resources/names.ts';
import type { OperatorStore, RunSnapshot } from '../../store/operator-store.ts';
import type { JobCache } from '../caches.ts';
import { crawlJob, type JobSettings, scaleOf } from './crawl-job.ts';
import { endOfJob } from './job-end.ts';
import { stopOf } from './job-stop.ts';
import { isOfKueue } from './kueue.ts';
import { obstacleOfAnswer, type StartObstacle } from './obstacle.ts';
import { volumeClaimTrouble } from './volume-claim.ts';

export type RunJobOptions = {
  readonly jobs: ResourceClient<Job>;
  readonly claims: ResourceClient<PersistentVolumeClaim>;
  readonly jobCache: JobCache;
  readonly store: OperatorStore;
  readonly events: EventRecorder;
  readonly settings: JobSettings;
};

/** The run's Job, when it has one now; `recreated` when it was made again after somebody deleted it. */
type JobOutcome = { readonly job?: Job; readonly recreated?: boolean } | { readonly obstacle: StartObstacle };

export function createRunJobs({ jobs, claims, jobCache, store, events, settings }: RunJobOptions) {
  async function ensureJob(
    run: CrawlRun,
    spec: CrawlRunSpec,
    snapshot: RunSnapshot,
    stopReason: string | undefined,
    signal: AbortSignal,
  ): Promise<JobOutcome> {
    const ref = { namespace: run.metadata.namespace, name: childName(run.metadata.name) };
    const cached = knownJob(run);
    if (cached && cached.metadata.deletionTimestamp === undefined) {
      const mustStop = stopReason !== undefined && snapshot.state !== 'Finished';
      if (mustStop) return { job: await stopJob(cached, signal) };
      return { job: await fitJob(await resumeJob(cached, signal), run, spec, signal) };
    }
    if (snapshot.state === 'Finished') return {};
    const existing = await jobs.get(ref, { signal });
    if (existing?.metadata.deletionTimestamp !== undefined) return {}; // recreated when it is gone
    if (stopReason !== undefined) {
      // Made by an earlier attempt, whose answer was lost, and not in the cache yet: it must not go on without its run.
      return existing && isControlledBy(existing, run) ? { job: await stopJob(existing, signal) } : {};
    }
    if (existing === undefined) return createJob(run, spec, signal);
    if (isControlledBy(existing, run)) return { job: await resumeJob(existing, signal) };
    const message = `a Job named ${ref.name} that is not of this run is in the way: delete or rename it`;
    return { obstacle: { condition: 'JobCreated', patience: 'StartDeadline', reason: 'JobConflict', message } };
  }

  async function createJob(run: CrawlRun, spec: CrawlRunSpec, signal: AbortSignal): Promise<JobOutcome> {
    const hadOne = run.status?.jobName !== undefined;
    const hadTwo = run.status?.conditions?.some((condition) => condition.reason === 'JobRecreated');
    if (hadTwo) {
      await store.requestStop(run.metadata.uid, 'JobDeleted', signal);
      return {};
    }
    const obstacle = await findVolumeObstacle(run, spec, signal);
    if (obstacle) return { obstacle };
    try {
      const job = await jobs.create(crawlJob(run, spec, settings), { signal });
      jobCache.observe(job);
      if (hadOne) announceRecreated(run, job);
      return { job, recreated: hadOne };
    } catch (error) {
      if (isAlreadyExists(error)) return {}; // the next look tells whose it is
      if (!(error instanceof KubeError)) throw error;
      return { obstacle: obstacleOfAnswer(error, 'JobCreated', 'JobRefused', 'the Job') };
    }
  }

  /** Of the first Job the condition JobCreated says enough: an Event more for each run would say the same. */
  function announceRecreated(run: CrawlRun, { metadata }: Job): void {
    const message = `Job ${metadata.name} was deleted; created it again, once`;
    events.record(run, { type: 'Warning', reason: 'JobRecreated', action: 'CreateJob', message });
  }

  /** What keeps the run from writing to its volume. */
  async function findVolumeObstacle(
    run: CrawlRun,
    spec: CrawlRunSpec,
    signal: AbortSignal,
  ): Promise<StartObstacle | undefined> {
    if (spec.output === undefined) return undefined;
    const ref = { namespace: run.metadata.namespace, name: spec.output.volumeClaim };
    const trouble = volumeClaimTrouble(spec, await claims.get(ref, { signal }));
    if (trouble === undefined) return undefined;
    const patience = trouble.reason === 'VolumeClaimUnsuitable' ? 'Final' : 'StartDeadline';
    return { condition: 'JobCreated', patience, ...trouble };
  }

  /** The Job of the run's workers, as the cache knows it. */
  function knownJob(run: CrawlRun): Job | undefined {
    return ownJob(run, childName(run.metadata.name));
  }

  /** The Job that writes the file of a run whose workers are gone. */
  function knownOutputJob(run: CrawlRun): Job | undefined {
    return ownJob(run, outputJobName(run.metadata.name));
  }

  function ownJob(run: CrawlRun, name: string): Job | undefined {
    const job = jobCache.get({ namespace: run.metadata.namespace, name });
    return job && isControlledBy(job, run) ? job : undefined;
  }

  /** No worker goes on, and none is made: for a stop that cannot wait for PostgreSQL. */
  async function stopKnownJob(run: CrawlRun, signal: AbortSignal): Promise<Job | undefined> {
    const job = knownJob(run);
    return job && stopJob(job, signal);
  }

  /** The Job, suspended until the run is resumed; undefined when there is none, or when Kueue would resume it at once. */
  async function pauseKnownJob(run: CrawlRun, signal: AbortSignal): Promise<Job | undefined> {
    const job = knownJob(run);
    if (job === undefined || isOfKueue(job) || job.spec?.suspend) return job;
    return change(job, { metadata: { labels: { [LABEL.paused]: 'true' } }, spec: { suspend: true } }, signal);
  }

  /** What was suspended for a pause goes on; what somebody else has suspended is theirs to resume. */
  async function resumeJob(job: Job, signal: AbortSignal): Promise<Job> {
    if (job.metadata.labels?.[LABEL.paused] === undefined) return job;
    return change(job, { metadata: { labels: { [LABEL.paused]: null } }, spec: { suspend: false } }, signal);
  }

  /**
   * As many pods, and as much time, as the spec says now. Pods that are too many end by SIGTERM. Once for each edit of the run:
   * what somebody else sets on the Job meanwhile stays.
   */
  async function fitJob(job: Job, run: CrawlRun, spec: CrawlRunSpec, signal: AbortSignal): Promise<Job> {
    const generation = String(run.metadata.generation ?? 1);
    const known = job.metadata.labels?.[LABEL.runGeneration];
    if (known === generation || isOfKueue(job)) return job;
    const changes = jobChanges(job, spec);
    // A Job of an earlier release has no such label, and no edit that it could have missed.
    if (known === undefined && changes === undefined) return job;
    const labels = { [LABEL.runGeneration]: generation };
    return change(job, { metadata: { labels }, spec: changes ?? {} }, signal);
  }

  /** Its pods end with SIGTERM, and it makes no new ones. */
  async function stopJob(job: Job, signal: AbortSignal): Promise<Job> {
    const spec = stopOf(job);
    return spec === undefined ? job : change(job, { spec }, signal);
  }

  /** The Job as it is after the change, or as it was where it has ended or was changed by another: that brings us back. */
  async function change(
    job: Job,
    { metadata = {}, spec }: { readonly metadata?: object; readonly spec: object },
    signal: AbortSignal,
  ): Promise<Job> {
    if (endOfJob(job)) return job;
    const { uid, resourceVersion } = job.metadata;
    try {
      const body = { metadata: { ...metadata, uid, resourceVersion }, spec };
      const changed = await jobs.patch(job.metadata, { type: 'merge', body }, { signal });
      jobCache.observe(changed);
      return changed;
    } catch (error) {
      if (isConflict(error)) return job;
      throw error;
    }
  }

  return { ensureJob, createJob, knownJob, knownOutputJob, stopKnownJob, pauseKnownJob };
}

/** What an edited spec changes of the Job. Kueue has admitted its Jobs as they are, and would end all of their pods. */
export function jobChanges(job: Job, spec: CrawlRunSpec): object | undefined {
  if (isOfKueue(job) || job.spec === undefined) return undefined;
  const wanted = scaleOf(spec);
  const { completions, parallelism, activeDeadlineSeconds } = job.spec;
  return isDeepStrictEqual({ completions, parallelism, activeDeadlineSeconds }, wanted) ? undefined : wanted;
}
