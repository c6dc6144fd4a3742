// How a live run is brought to its end: asked to stop when it is time, given up where no worker is left to end it, and its
// results written by a Job of their own.

import type { CrawlRun } from '../../custom-resources/types.ts';
import type { Job, Pod } from '../../kube/builtin-types.ts';
import type { EventRecorder } from '../../kube/events.ts';
import { isAlreadyExists, isFinalAnswer } from '../../kube/kube-error.ts';
import type { ResourceClient } from '../../kube/resource-client.ts';
import type { CrawlRunSpec } from '../../resources/crawl-run.ts';
import { outputJobName } from '../../resources/names.ts';
import type { OperatorStore, RunSnapshot, WorkerSnapshot } from '../../store/operator-store.ts';
import type { Logger } from '../../telemetry/logger.ts';
import type { JobCache } from '../caches.ts';
import { type JobSettings, outputJob } from './crawl-job.ts';
import { isCrawlOver } from './crawl-over.ts';
import { endPod, endsLaterThan, TERMINATE_GRACE_SECONDS } from './end-pods.ts';
import { endStep, type GivenEnd } from './end-step.ts';
import { endOfJob } from './job-end.ts';
import { timeOutAt } from './pause.ts';
import { failureOf, hasEnded, lastFailure } from './pods.ts';
import { logFields } from './run-log-fields.ts';

export type RunEndOptions = {
  readonly jobs: ResourceClient<Job>;
  readonly pods: ResourceClient<Pod>;
  readonly jobCache: JobCache;
  readonly store: OperatorStore;
  readonly events: EventRecorder;
  readonly settings: JobSettings;
  readonly now: () => Date;
  readonly logger: Logger;
};

export function createRunEnd(options: RunEndOptions) {
  const { jobs, pods: podClient, jobCache, store, events, settings, now, logger } = options;

  /** Asks the workers to stop when the user or the clock says so; the reason, when there is one. */
  async function stopWhenDue(
    run: CrawlRun,
    spec: CrawlRunSpec,
    snapshot: RunSnapshot,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    if (isCrawlOver(snapshot)) return undefined;
    if (run.spec.shutdown === 'Terminate') await store.terminateRun(run.metadata.uid, signal);
    const deadline = timeOutAt(spec, snapshot);
    const reason = run.spec.shutdown ? 'Shutdown' : deadline && now() >= deadline ? 'TimedOut' : undefined;
    if (reason === undefined) return undefined;
    const asked = await store.requestStop(run.metadata.uid, reason, signal);
    if (!asked) return undefined; // it ended in the meantime
    const message =
      reason === 'Shutdown'
        ? `stopping, as spec.shutdown asks (${run.spec.shutdown})`
        : `stopping, since ${spec.timeoutSeconds} s (spec.timeoutSeconds) have passed since the first heartbeat`;
    events.record(run, { type: reason === 'Shutdown' ? 'Normal' : 'Warning', reason, action: 'StopRun', message });
    return reason;
  }

  /** Workers of a run that is terminated get no time for their pages; also of one that was asked to stop before. */
  async function terminate(
    run: CrawlRun,
    snapshot: RunSnapshot,
    pods: readonly Pod[],
    signal: AbortSignal,
  ): Promise<void> {
    if (run.spec.shutdown !== 'Terminate' || isCrawlOver(snapshot)) return;
    // First: a worker that hears SIGTERM asks what it is to do.
    if (!snapshot.terminates) await store.terminateRun(run.metadata.uid, signal);
    await terminatePods(run, pods, signal);
  }

  async function terminatePods(run: CrawlRun, pods: readonly Pod[], signal: AbortSignal): Promise<void> {
    if (run.spec.shutdown !== 'Terminate') return;
    for (const pod of pods) {
      if (endsLaterThan(TERMINATE_GRACE_SECONDS, pod)) await endPod(podClient, pod, TERMINATE_GRACE_SECONDS, signal);
    }
  }

  /** Pods that are gone or have ended hold no pages any more: what they had leased goes back at once. */
  async function releaseLostWorkers(
    run: CrawlRun,
    snapshot: RunSnapshot,
    pods: readonly Pod[],
    signal: AbortSignal,
  ): Promise<void> {
    if (snapshot.state === 'Finished') return;
    const known = new Map(pods.map((pod) => [pod.metadata.uid, pod]));
    for (const worker of snapshot.workers) {
      if (worker.released) continue;
      const pod = known.get(worker.workerId) ?? (await findPod(run, worker.podName, worker.workerId, signal));
      if (pod && !hasEnded(pod)) continue;
      const returned = await store.releaseWorker(run.metadata.uid, worker.workerId, signal);
      if (snapshot.stopReason === undefined) announceLoss(run, worker, pod, returned);
    }
  }

  function announceLoss(run: CrawlRun, worker: WorkerSnapshot, pod: Pod | undefined, returned: number): void {
    const cause = pod === undefined ? 'its pod is gone' : (failureOf(pod) ?? 'its pod has ended');
    const message = `worker ${worker.podName} on node ${worker.nodeName} is lost: ${cause}; ${returned} pages that it had go to others`;
    events.record(run, { type: 'Warning', reason: 'WorkerLost', action: 'ReleaseWorker', message });
    logger.warn({ ...logFields(run), pod: worker.podName, returned, cause }, 'worker lost: its pages go to others');
  }

  /** The pod itself, since a cache may not know it yet. */
  async function findPod(run: CrawlRun, name: string, uid: string, signal: AbortSignal): Promise<Pod | undefined> {
    const pod = await podClient.get({ namespace: run.metadata.namespace, name }, { signal });
    return pod?.metadata.uid === uid ? pod : undefined;
  }

  /** Ends a run that its workers cannot end any more: stopped, or out of workers. True when it has ended. */
  async function endWithoutWorkers(
    run: CrawlRun,
    spec: CrawlRunSpec,
    snapshot: RunSnapshot,
    job: Job | undefined,
    pods: readonly Pod[],
    signal: AbortSignal,
  ): Promise<boolean> {
    const step = endStep(snapshot, job, pods);
    switch (step.type) {
      case 'Wait':
        return false;
      case 'Over':
        return true;
      case 'WriteOutput':
        return writeOutput(run, spec, pods, signal);
      case 'End':
        if (snapshot.stopReason === undefined) await store.requestStop(run.metadata.uid, step.stopReason, signal);
        return endCrawl(run, spec, snapshot, step, pods, signal);
    }
  }

  /** The end of the run, or the beginning of writing what there is of it. */
  async function endCrawl(
    run: CrawlRun,
    spec: CrawlRunSpec,
    snapshot: RunSnapshot,
    { stopReason, outcome, message }: GivenEnd,
    pods: readonly Pod[],
    signal: AbortSignal,
  ): Promise<boolean> {
    const { uid } = run.metadata;
    // What is lost is not written: a file of before may hold all.
    const hasResults = snapshot.output !== undefined && snapshot.progress.items > 0 && stopReason !== 'DataLost';
    if (hasResults && (await store.closeCrawl(uid, outcome, message, signal))) {
      return writeOutput(run, spec, pods, signal);
    }
    await store.finishStopped(uid, outcome, message, signal);
    return true;
  }

  /** The file of a run that has no worker any more gets a Job of its own. True when the run has ended since it failed. */
  async function writeOutput(
    run: CrawlRun,
    spec: CrawlRunSpec,
    pods: readonly Pod[],
    signal: AbortSignal,
  ): Promise<boolean> {
    const ref = { namespace: run.metadata.namespace, name: outputJobName(run.metadata.name) };
    const job = jobCache.get(ref) ?? (await jobs.get(ref, { signal }));
    if (job === undefined) return createOutputJob(run, spec, signal);
    const verdict = endOfJob(job);
    if (verdict === undefined) return false;
    if (verdict.isComplete) {
      // It has written the file, and PostgreSQL has gone back to a time before that: the file is written again.
      await jobs.delete(job.metadata, {
        preconditions: { uid: job.metadata.uid },
        propagationPolicy: 'Background',
        signal,
      });
      return false;
    }
    const cause = lastFailure(pods) ?? verdict.message;
    return endWithoutOutput(run, `${cause} (${verdict.reason})`, signal);
  }

  /** Since when the API server does not take the Job that writes a file, by UID of the run; `performance.now()`. */
  const outputRefusedSince = new Map<string, number>();

  /** True when the API server never takes it, or has not for as long as a start may take, so that the run has ended. */
  async function createOutputJob(run: CrawlRun, spec: CrawlRunSpec, signal: AbortSignal): Promise<boolean> {
    try {
      const job = await jobs.create(outputJob(run, spec, settings), { signal });
      jobCache.observe(job);
      outputRefusedSince.delete(run.metadata.uid);
      const message = `created Job ${job.metadata.name} to write the results`;
      events.record(run, { type: 'Normal', reason: 'WritingOutput', action: 'CreateJob', message });
      return false;
    } catch (error) {
      if (isAlreadyExists(error)) return false; // the next look finds it
      const { uid } = run.metadata;
      const since = outputRefusedSince.get(uid) ?? performance.now();
      outputRefusedSince.set(uid, since);
      const isOver = performance.now() - since >= spec.startTimeoutSeconds * 1_000;
      if (!isFinalAnswer(error) && !isOver) throw error;
      outputRefusedSince.delete(uid);
      const message = `the API server refuses the Job that writes the results: ${error instanceof Error ? error.message : error}`;
      events.record(run, { type: 'Warning', reason: 'JobRefused', action: 'CreateJob', message });
      return endWithoutOutput(run, message, signal);
    }
  }

  async function endWithoutOutput(run: CrawlRun, cause: string, signal: AbortSignal): Promise<true> {
    await store.finishStopped(run.metadata.uid, 'Failed', `the output was not written: ${cause}`, signal);
    return true;
  }

  return { stopWhenDue, terminate, terminatePods, releaseLostWorkers, endWithoutWorkers };
}
