// How a live run is brought to its end: asked to stop when it is time, given up where no worker is left to end it, and its
// results written by a Job of their own.

import type { CrawlRun } from '../../custom-resources/types.ts';
import type { Job, Pod } from '../../kube/builtin-types.ts';
import { isConditionTrue } from '../../kube/conditions.ts';
import type { EventRecorder } from '../../kube/events.ts';
import { isAlreadyExists, isForbidden, isInvalid } from '../../kube/kube-error.ts';
import type { ResourceClient } from '../../kube/resource-client.ts';
import type { CrawlRunSpec } from '../../resources/crawl-run.ts';
import { outputJobName } from '../../resources/names.ts';
import type { OperatorStore, RunSnapshot } from '../../store/operator-store.ts';
import type { Logger } from '../../telemetry/logger.ts';
import { type JobCache, type PodCache, podsOf } from '../caches.ts';
import { type JobSettings, outputJob } from './crawl-job.ts';
import { endOfJob } from './job-end.ts';
import { hasEnded, lastFailure, saidBlocked } from './pods.ts';
import { logFields } from './run-log-fields.ts';

export type RunEndOptions = {
  readonly jobs: ResourceClient<Job>;
  readonly pods: ResourceClient<Pod>;
  readonly jobCache: JobCache;
  readonly podCache: PodCache;
  readonly store: OperatorStore;
  readonly events: EventRecorder;
  readonly settings: JobSettings;
  readonly now: () => Date;
  readonly logger: Logger;
};

export function createRunEnd(options: RunEndOptions) {
  const { jobs, pods, jobCache, podCache, store, events, settings, now, logger } = options;

  /** Asks the workers to stop when the user or the clock says so; the reason, when there is one. */
  async function stopWhenDue(
    run: CrawlRun,
    spec: CrawlRunSpec,
    snapshot: RunSnapshot,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    if (snapshot.state === 'Finished' || snapshot.output?.due) return undefined;
    const deadline = deadlineOf(spec, snapshot);
    const reason = run.spec.shutdown ? 'Shutdown' : deadline && now() >= deadline ? 'TimedOut' : undefined;
    if (reason === undefined) return undefined;
    const asked = await store.requestStop(run.metadata.uid, reason, signal);
    if (!asked) return undefined; // it ended in the meantime
    const message =
      reason === 'Shutdown'
        ? 'stopping, as spec.shutdown asks'
        : `stopping, since ${spec.timeoutSeconds} s (spec.timeoutSeconds) have passed since the first heartbeat`;
    events.record(run, { type: reason === 'Shutdown' ? 'Normal' : 'Warning', reason, action: 'StopRun', message });
    return reason;
  }

  /** Pods that are gone or have ended hold no pages any more: what they had leased goes back at once. */
  async function releaseLostWorkers(run: CrawlRun, snapshot: RunSnapshot, signal: AbortSignal): Promise<void> {
    if (snapshot.state === 'Finished') return;
    const known = new Map(podsOf(podCache, run).map((pod) => [pod.metadata.uid, pod]));
    for (const worker of snapshot.workers) {
      if (worker.released) continue;
      const pod = known.get(worker.workerId) ?? (await findPod(run, worker.podName, worker.workerId, signal));
      if (pod && !hasEnded(pod)) continue;
      const returned = await store.releaseWorker(run.metadata.uid, worker.workerId, signal);
      logger.warn({ ...logFields(run), pod: worker.podName, returned }, 'worker lost: its pages go to others');
    }
  }

  /** The pod itself, since a cache may not know it yet. */
  async function findPod(run: CrawlRun, name: string, uid: string, signal: AbortSignal): Promise<Pod | undefined> {
    const pod = await pods.get({ namespace: run.metadata.namespace, name }, { signal });
    return pod?.metadata.uid === uid ? pod : undefined;
  }

  /** Ends a run that its workers cannot end any more: stopped, or out of workers. True when it has ended here. */
  async function endWithoutWorkers(
    run: CrawlRun,
    spec: CrawlRunSpec,
    snapshot: RunSnapshot,
    job: Job | undefined,
    stopReason: string | undefined,
    signal: AbortSignal,
  ): Promise<boolean> {
    if (snapshot.state === 'Finished') return true;
    const workers = podsOf(podCache, run);
    if (workers.some((pod) => !hasEnded(pod))) return false;
    const verdict = job && endOfJob(job);
    const isStopped =
      stopReason !== undefined &&
      (job === undefined || verdict !== undefined || isConditionTrue(job.status?.conditions, 'Suspended'));
    if (!isStopped && (stopReason !== undefined || verdict === undefined)) return false;
    if (snapshot.output?.due) return writeOutput(run, spec, signal);
    const uid = run.metadata.uid;
    if (isStopped) {
      const [outcome, message] = endOfStopped(stopReason);
      return endCrawl(run, spec, snapshot, outcome, message, signal);
    }
    const blocked = saidBlocked(workers);
    await store.requestStop(uid, blocked === undefined ? 'WorkersFailed' : 'Blocked', signal);
    const outcome = verdict?.reason === 'DeadlineExceeded' ? 'TimedOut' : 'Failed';
    const cause = lastFailure(workers) ?? verdict?.message;
    const message = blocked ?? `the workers failed (${verdict?.reason}): ${cause}`;
    return endCrawl(run, spec, snapshot, outcome, message, signal);
  }

  /** The end of the run, or the beginning of writing what there is of it. */
  async function endCrawl(
    run: CrawlRun,
    spec: CrawlRunSpec,
    snapshot: RunSnapshot,
    outcome: 'Stopped' | 'TimedOut' | 'Failed',
    message: string,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { uid } = run.metadata;
    const hasResults = snapshot.output !== undefined && snapshot.progress.items > 0;
    if (hasResults && (await store.closeCrawl(uid, outcome, message, signal))) return writeOutput(run, spec, signal);
    await store.finishStopped(uid, outcome, message, signal);
    return true;
  }

  /** The file of a run that has no worker any more gets a Job of its own. True when the run has ended since it failed. */
  async function writeOutput(run: CrawlRun, spec: CrawlRunSpec, signal: AbortSignal): Promise<boolean> {
    const ref = { namespace: run.metadata.namespace, name: outputJobName(run.metadata.name) };
    const job = jobCache.get(ref) ?? (await jobs.get(ref, { signal }));
    if (job === undefined) return createOutputJob(run, spec, signal);
    const verdict = endOfJob(job);
    if (verdict === undefined) return false;
    const cause = lastFailure(podsOf(podCache, run)) ?? verdict.message;
    return endWithoutOutput(run, `${cause} (${verdict.reason})`, signal);
  }

  /** True when the API server will never take it, so that the run has ended; a quota may have room for it later. */
  async function createOutputJob(run: CrawlRun, spec: CrawlRunSpec, signal: AbortSignal): Promise<boolean> {
    try {
      const job = await jobs.create(outputJob(run, spec, settings), { signal });
      jobCache.observe(job);
      const message = `created Job ${job.metadata.name} to write the results`;
      events.record(run, { type: 'Normal', reason: 'WritingOutput', action: 'CreateJob', message });
      return false;
    } catch (error) {
      if (isAlreadyExists(error)) return false; // the next look finds it
      if (!isInvalid(error) && !isForbidden(error)) throw error;
      const message = `the API server refuses the Job that writes the results: ${error instanceof Error ? error.message : error}`;
      events.record(run, { type: 'Warning', reason: 'JobRefused', action: 'CreateJob', message });
      if (isForbidden(error)) throw error;
      return endWithoutOutput(run, message, signal);
    }
  }

  async function endWithoutOutput(run: CrawlRun, cause: string, signal: AbortSignal): Promise<true> {
    await store.finishStopped(run.metadata.uid, 'Failed', `the output was not written: ${cause}`, signal);
    return true;
  }

  return { stopWhenDue, releaseLostWorkers, endWithoutWorkers };
}

/** When `timeoutSeconds` are over; unknown before the first heartbeat. */
function deadlineOf(spec: CrawlRunSpec, snapshot: RunSnapshot): Date | undefined {
  return snapshot.startedAt && new Date(snapshot.startedAt.getTime() + spec.timeoutSeconds * 1_000);
}

function endOfStopped(stopReason: string): ['Stopped' | 'TimedOut' | 'Failed', string] {
  if (stopReason === 'TimedOut') return ['TimedOut', 'spec.timeoutSeconds have passed'];
  if (stopReason === 'DataLost') return ['Failed', 'PostgreSQL has lost the run and its results'];
  return ['Stopped', `stopped (${stopReason})`];
}
