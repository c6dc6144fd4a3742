// Reads the Events of a run's Job or pod, for the few runs that nothing else explains: to list Events costs the API
// server a look at all of the namespace's, so that there are only so many lists a second.
import type { ClusterEvent, Job, Pod } from '../../kube/builtin-types.ts';
import { KubeError } from '../../kube/kube-error.ts';
import type { ResourceClient } from '../../kube/resource-client.ts';
import { createTokenBucket } from '../../kube/token-bucket.ts';
import type { Logger } from '../../telemetry/logger.ts';
import { subjectOfEvents } from './worker-obstacles.ts';

export type EventReaderOptions = {
  readonly clusterEvents: ResourceClient<ClusterEvent>;
  readonly now: () => Date;
  readonly logger: Logger;
};

const LISTS = { burst: 10, perSecond: 3 };

export type EventReader = {
  /** Warnings about the Job or the pod that is waited for, the newest last; none when nothing needs them. */
  read(job: Job | undefined, pods: readonly Pod[], signal: AbortSignal): Promise<readonly ClusterEvent[]>;
  /** Of a run that has ended or is gone. */
  forget(jobUid: string): void;
};

export function createEventReader({ clusterEvents, now, logger }: EventReaderOptions): EventReader {
  const lists = createTokenBucket(LISTS);
  /** By the UID of the Job, what was read last: it counts until it is this run's turn again. */
  const known = new Map<string, readonly ClusterEvent[]>();

  /** Undefined where they cannot be read: what the run waits for may stay unsaid, and its deadline holds all the same. */
  async function list(
    namespace: string | undefined,
    uid: string,
    signal: AbortSignal,
  ): Promise<ClusterEvent[] | undefined> {
    const where = namespace === undefined ? {} : { namespace };
    const fieldSelector = `type=Warning,involvedObject.uid=${uid}`;
    try {
      const { items } = await clusterEvents.list({ ...where, fieldSelector, signal });
      return items.toSorted((a, b) => timeOf(a) - timeOf(b));
    } catch (error) {
      if (!(error instanceof KubeError)) throw error;
      logger.warn({ namespace, err: error }, 'Events cannot be read');
      return undefined;
    }
  }

  return {
    async read(job, pods, signal) {
      if (job === undefined) return [];
      const { uid, namespace } = job.metadata;
      const subject = subjectOfEvents({ job, pods }, now());
      if (subject === undefined) {
        known.delete(uid);
        return [];
      }
      if (lists.tryTake()) {
        const found = await list(namespace, subject, signal);
        if (found) known.set(uid, found);
      }
      return known.get(uid) ?? [];
    },
    forget: (jobUid) => void known.delete(jobUid),
  };
}

/** Milliseconds since 1970 of the last time that it happened. */
function timeOf({ lastTimestamp, series, eventTime, metadata }: ClusterEvent): number {
  return Date.parse(lastTimestamp ?? series?.lastObservedTime ?? eventTime ?? metadata.creationTimestamp ?? '') || 0;
}
