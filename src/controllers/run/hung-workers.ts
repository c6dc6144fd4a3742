// Workers that hang and cannot end themselves, such as a process that was stopped: their pods are ended, so that the Job makes
// others. See docs/decisions/0092-workers-that-hang.md.
import type { CrawlRun } from '../../custom-resources/types.ts';
import type { Pod } from '../../kube/builtin-types.ts';
import type { ResourceClient } from '../../kube/resource-client.ts';
import type { CrawlRunSpec } from '../../resources/crawl-run.ts';
import { stallTimeoutMs } from '../../resources/stall-timeout.ts';
import type { OperatorStore, RunSnapshot, WorkerSnapshot } from '../../store/operator-store.ts';
import { endPod } from './end-pods.ts';
import { longestSilenceMs } from './lost-node.ts';
import { hasEnded } from './pods.ts';
import { SILENCE } from './stall.ts';

export type HungWorkerOptions = {
  readonly pods: ResourceClient<Pod>;
  readonly store: OperatorStore;
  readonly now: () => Date;
};

/** A process that can still hear SIGTERM ends within this time, in seconds: its results are lost already. */
const GRACE_SECONDS = 10;
/** So long after it has said that it hangs, a worker has ended itself. */
const SELF_END_MS = 30_000;

/** `Ask`: it is silent, PostgreSQL has to say whether it hangs. `End`: it hangs, and its pod is to be ended. */
export type HungStep = 'Leave' | 'Ask' | 'End';

/** What is to be done about a pod and the worker in it. Pure function. */
export function hungStep(pod: Pod, worker: WorkerSnapshot | undefined, silentMs: number, now: Date): HungStep {
  if (worker === undefined || hasEnded(pod) || pod.metadata.deletionTimestamp !== undefined) return 'Leave';
  const { stall, stalledAt, released, lastHeartbeatAt } = worker;
  if (stall?.startsWith(SILENCE)) return 'End';
  if (stalledAt !== undefined) return now.getTime() - stalledAt.getTime() > SELF_END_MS ? 'End' : 'Leave';
  return !released && now.getTime() - lastHeartbeatAt.getTime() > silentMs ? 'Ask' : 'Leave';
}

export function createHungWorkers({ pods, store, now }: HungWorkerOptions) {
  /** Ends the pods of workers that hang; what is found out of them is in the next snapshot. */
  async function endHungWorkers(
    run: CrawlRun,
    spec: CrawlRunSpec,
    { state, workers }: RunSnapshot,
    runPods: readonly Pod[],
    signal: AbortSignal,
  ): Promise<void> {
    if (state === 'Finished') return;
    const silentMs = Math.max(stallTimeoutMs(spec), longestSilenceMs(spec));
    for (const pod of runPods) {
      const { uid } = pod.metadata;
      const worker = workers.find(({ workerId }) => workerId === uid);
      const step = hungStep(pod, worker, silentMs, now());
      if (step === 'Leave') continue;
      if (step === 'Ask' && (await store.stallWorker(run.metadata.uid, uid, silentMs, signal)) === undefined) continue;
      await endPod(pods, pod, GRACE_SECONDS, signal);
    }
  }

  return { endHungWorkers };
}
