// Ends in Postgres what is over in Kubernetes: runs whose CrawlRun was deleted, which no finalizer could do safely, and runs
// that are live again after a restore.
import { type CrawlRun, isFinished } from '../custom-resources/types.ts';
import type { EventRecorder } from '../kube/events.ts';
import type { ResourceClient } from '../kube/resource-client.ts';
import type { ActiveRun, OperatorStore } from '../store/operator-store.ts';
import type { Logger } from '../telemetry/logger.ts';
import { type PodCache, podsOfUid, type RunCache } from './caches.ts';
import { endOfShown, type GivenEnd } from './run/end-step.ts';
import { hasEnded } from './run/pods.ts';

export type SweepOptions = {
  readonly runs: ResourceClient<CrawlRun>;
  readonly runCache: RunCache;
  readonly podCache: PodCache;
  readonly store: OperatorStore;
  readonly events: EventRecorder;
  /** The namespaces that are looked after; absent: all of them. */
  readonly namespaces?: readonly string[];
  readonly logger: Logger;
};

/**
 * One pass: returns expired leases, and ends each live run that is over in Kubernetes: its CrawlRun is gone for certain
 * (neither in the synced cache nor, by UID, at the API server), or shows its end, which PostgreSQL does not know. Workers
 * that are left are asked to stop; when their pods are gone the run is ended.
 */
export async function sweep(options: SweepOptions, signal: AbortSignal): Promise<void> {
  const { podCache, store, logger } = options;
  await store.reapExpired(signal);
  for (const active of await store.activeRuns(signal)) {
    const { runId, namespace, name } = active;
    const known = options.runCache.byIndex('uid', runId)[0];
    const end = known ? shownEnd(known) : await endOfGone(active, options, signal);
    if (end === undefined) continue;
    const { stopReason, outcome, message } = end;
    await store.requestStop(runId, stopReason, signal);
    const podsLeft = podsOfUid(podCache, namespace, runId).some((pod) => !hasEnded(pod));
    // False when it has ended by itself in the meantime.
    if (podsLeft || !(await store.finishStopped(runId, outcome, message, signal))) continue;
    logger.info({ run: runId, namespace, name, outcome, reason: stopReason }, `run ended in PostgreSQL: ${message}`);
    if (known && stopReason === 'DataLost') announceLoss(known, message, options);
  }
}

function shownEnd(run: CrawlRun): GivenEnd | undefined {
  return run.status && isFinished(run) ? endOfShown(run.status) : undefined;
}

const GONE: GivenEnd = { stopReason: 'Deleted', outcome: 'Stopped', message: 'its CrawlRun was deleted' };

async function endOfGone(
  { runId, namespace, name }: ActiveRun,
  { runs, namespaces }: SweepOptions,
  signal: AbortSignal,
): Promise<GivenEnd | undefined> {
  // Of a namespace that is not looked after (any more) nothing is known, so nothing is ended there.
  if (namespaces?.includes(namespace) === false) return undefined;
  const live = await runs.get({ namespace, name }, { signal });
  return live?.metadata.uid === runId ? undefined : GONE;
}

/** Its status keeps the end that it had. */
function announceLoss(run: CrawlRun, message: string, { events }: SweepOptions): void {
  events.record(run, { type: 'Warning', reason: 'DataLost', action: 'EndRun', message });
}
