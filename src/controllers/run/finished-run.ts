// What is left to do for a run after its end: its credentials go, and it goes itself when its time to live is over.

import type { CrawlRun } from '../../custom-resources/types.ts';
import { StoreError } from '../../gateway/protocol/store-error.ts';
import type { Secret } from '../../kube/builtin-types.ts';
import type { EventRecorder } from '../../kube/events.ts';
import { isAlreadyExists, isConflict, isFinalAnswer, KubeError } from '../../kube/kube-error.ts';
import { isControlledBy } from '../../kube/kube-object.ts';
import type { ResourceClient } from '../../kube/resource-client.ts';
import { updateStatus } from '../../kube/status.ts';
import type { ReconcileResult } from '../../kube/work-queue.ts';
import { childName } from '../../resources/names.ts';
import type { UnacceptedRun } from '../../store/execution-store.ts';
import type { OperatorStore } from '../../store/operator-store.ts';
import { type PodCache, podsOf, type RunCache, retriesOf } from '../caches.ts';
import { DATABASE_RETRY_MS } from '../database-preparation.ts';
import { isAwaitedByRetry, retryStep } from './automatic-retry.ts';
import { endOfShown, type GivenEnd } from './end-step.ts';
import { hasEnded } from './pods.ts';

export type FinishedRunOptions = {
  readonly runs: ResourceClient<CrawlRun>;
  readonly secrets: ResourceClient<Secret>;
  readonly runCache: RunCache;
  readonly podCache: PodCache;
  readonly store: OperatorStore;
  readonly events: EventRecorder;
  /** Whether the status of its schedule, if it has one, holds the run's result. */
  readonly isReported: (run: CrawlRun) => boolean;
  readonly now: () => Date;
};

/** A finished run's credentials are looked after for this long after a restart; then it is taken as done. */
const CLEAN_UP_WINDOW_MS = 3_600_000;
/** A schedule's status shows the end of a run at once; waiting for it is rare. */
const UNREPORTED_WAIT_MS = 1_000;

export function createFinishedRunSettler(options: FinishedRunOptions) {
  const { runs, secrets, runCache, podCache, store, events, isReported, now } = options;
  /** UIDs of finished runs whose token is revoked and whose Secret is gone. */
  const cleanedUp = new Set<string>();
  runCache.subscribe(({ type, object }) => {
    if (type === 'deleted') cleanedUp.delete(object.metadata.uid);
  });

  /** After the end: no token outlives the pods, a retry is made, and the run goes when its time to live is over. */
  async function settleFinished(run: CrawlRun, signal: AbortSignal): Promise<ReconcileResult> {
    const credentials = await revokeCredentials(run, signal);
    const waits = [credentials, await retryWhenDue(run, signal), await deleteWhenExpired(run, signal)];
    const requeue = waits.filter((wait) => wait !== undefined);
    return requeue.length > 0 ? { requeueAfterMs: Math.min(...requeue) } : {};
  }

  /** Milliseconds until it is worth another look, or undefined when nothing is left to do. */
  async function revokeCredentials(run: CrawlRun, signal: AbortSignal): Promise<number | undefined> {
    const { uid } = run.metadata;
    const age = now().getTime() - Date.parse(run.status?.completionTime ?? '');
    if (cleanedUp.has(uid) || age > CLEAN_UP_WINDOW_MS) return undefined;
    if (podsOf(podCache, run).some((pod) => !hasEnded(pod))) return undefined; // the pod's end brings us back
    try {
      // The token goes in any case. A run that was ended without PostgreSQL may still be live there: its acceptance was
      // never written down, or its spec cannot be read any more.
      const end = endOfShown(run.status ?? {});
      const { stopReason, outcome, message } = end;
      if (stopReason === 'DataLost') {
        await store.revokeToken(uid, signal); // where it is live again, the sweep ends it and says so
      } else {
        await store.requestStop(uid, stopReason, signal);
        await store.finishStopped(uid, outcome, message, signal);
        await store.executions.recordUnaccepted(unacceptedRun(run, end), signal);
      }
    } catch (error) {
      if (error instanceof StoreError) return DATABASE_RETRY_MS;
      throw error;
    }
    const ref = { namespace: run.metadata.namespace, name: childName(run.metadata.name) };
    const secret = await secrets.get(ref, { signal });
    if (secret && isControlledBy(secret, run)) {
      await secrets.delete(ref, { preconditions: { uid: secret.metadata.uid }, signal });
    }
    cleanedUp.add(uid);
    return undefined;
  }

  /** Milliseconds until its retry is due, or undefined when it has one or gets none. */
  async function retryWhenDue(run: CrawlRun, signal: AbortSignal): Promise<number | undefined> {
    const step = retryStep(run, now());
    if (step.type === 'None') return undefined;
    if (step.type === 'Wait') return step.ms;
    const { number, run: wanted } = step;
    const { name } = wanted.metadata;
    try {
      runCache.observe(await runs.create(wanted, { signal }));
      const message = `created run ${name}, retry ${number} (${wanted.spec.trigger?.only})`;
      events.record(run, { type: 'Normal', reason: 'Retried', action: 'RetryRun', message });
    } catch (error) {
      if (!isAlreadyExists(error)) {
        if (!(error instanceof KubeError) || !isFinalAnswer(error)) throw error;
        const message = `could not create run ${name}: ${error.message}`;
        events.record(run, { type: 'Warning', reason: 'FailedCreate', action: 'RetryRun', message });
        return undefined;
      }
    }
    // The answer of an earlier attempt may have been lost: its name says that it is this retry.
    const written = await updateStatus(runs, run, ({ status }) => ({ ...status, retry: { name, number } }), { signal });
    if (written) runCache.observe(written);
    return undefined;
  }

  async function deleteWhenExpired(run: CrawlRun, signal: AbortSignal): Promise<number | undefined> {
    const { ttlSecondsAfterFinished } = run.spec;
    const { completionTime } = run.status ?? {};
    if (ttlSecondsAfterFinished === undefined || completionTime === undefined) return undefined;
    const left = Date.parse(completionTime) + ttlSecondsAfterFinished * 1_000 - now().getTime();
    if (left > 0) return left;
    if (!isReported(run) || isAwaitedByRetry(run, retriesOf(runCache, run), now())) return UNREPORTED_WAIT_MS;
    const { uid, resourceVersion } = run.metadata; // an edit of the time to live meanwhile counts
    try {
      await runs.delete(run.metadata, {
        preconditions: { uid, resourceVersion },
        propagationPolicy: 'Background',
        signal,
      });
    } catch (error) {
      if (!isConflict(error)) throw error;
    }
    return undefined;
  }

  return settleFinished;
}

/** What stays of a run that PostgreSQL has never known. */
function unacceptedRun(
  { metadata, spec, status }: CrawlRun,
  { stopReason, outcome, message }: GivenEnd,
): UnacceptedRun {
  const { uid: runId, namespace, name, creationTimestamp } = metadata;
  const scheduleUid = metadata.ownerReferences?.find((owner) => owner.controller)?.uid;
  const { scheduledTime } = spec.trigger ?? {};
  const endedAt = status?.completionTime ?? creationTimestamp ?? 0;
  return {
    ...{ runId, namespace, name, outcome, reason: stopReason, message },
    trigger: spec.trigger?.type ?? 'Manual',
    createdAt: new Date(creationTimestamp ?? endedAt),
    finishedAt: new Date(endedAt),
    ...(scheduleUid === undefined ? {} : { scheduleUid }),
    ...(spec.scheduleName === undefined ? {} : { scheduleName: spec.scheduleName }),
    ...(scheduledTime === undefined ? {} : { scheduledTime: new Date(scheduledTime) }),
    ...(spec.image === undefined ? {} : { image: spec.image }),
  };
}
