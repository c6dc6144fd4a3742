// Ends in Postgres what is gone from Kubernetes: runs whose CrawlRun was deleted. No finalizer could do that safely.
import type { CrawlRun } from '../custom-resources/types.ts';
import type { ResourceClient } from '../kube/resource-client.ts';
import type { OperatorStore } from '../store/operator-store.ts';
import type { Logger } from '../telemetry/logger.ts';
import { type PodCache, podsOfUid, type RunCache } from './caches.ts';
import { hasEnded } from './run/pods.ts';

export type SweepOptions = {
  readonly runs: ResourceClient<CrawlRun>;
  readonly runCache: RunCache;
  readonly podCache: PodCache;
  readonly store: OperatorStore;
  /** The namespaces that are looked after; absent: all of them. */
  readonly namespaces?: readonly string[];
  readonly logger: Logger;
};

/**
 * One pass: returns expired leases, and stops each live run whose CrawlRun is gone for certain (neither in the synced
 * cache nor, by UID, at the API server). Its workers are asked to stop; when their pods are gone the run is ended.
 */
export async function sweep(
  { runs, runCache, podCache, store, namespaces, logger }: SweepOptions,
  signal: AbortSignal,
): Promise<void> {
  await store.reapExpired(signal);
  const known = new Set(runCache.list().map((run) => run.metadata.uid));
  for (const { runId, namespace, name } of await store.activeRuns(signal)) {
    if (known.has(runId)) continue;
    // Of a namespace that is not looked after (any more) nothing is known, so nothing is ended there.
    if (namespaces?.includes(namespace) === false) continue;
    const live = await runs.get({ namespace, name }, { signal });
    if (live?.metadata.uid === runId) continue;
    await store.requestStop(runId, 'Deleted', signal);
    const podsLeft = podsOfUid(podCache, namespace, runId).some((pod) => !hasEnded(pod));
    if (podsLeft) continue;
    await store.finishStopped(runId, 'Stopped', 'its CrawlRun was deleted', signal);
    logger.info({ run: runId, namespace, name }, 'run ended: its CrawlRun was deleted');
  }
}
