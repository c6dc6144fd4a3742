// The line in which runs wait: admissions computed from the caches, remembered until something changes.

import { type CrawlRun, isFinished } from '../../custom-resources/types.ts';
import { isConditionTrue } from '../../kube/conditions.ts';
import { controllerOf, objectKey } from '../../kube/kube-object.ts';
import { LABEL } from '../../resources/group.ts';
import type { RunCache, ScheduleCache } from '../caches.ts';
import { type ActiveLimits, type Admission, admissions, type Candidate } from './admission.ts';

export type RunQueue = {
  /** Whether this unfinished run may work now. A run that was let in once stays in. */
  admit(run: CrawlRun): Admission;
  /** Keys of runs that have not been let in yet: first those whose turn it is now, then the others in line. */
  waiting(): string[];
};

export type RunQueueOptions = {
  readonly runCache: RunCache;
  readonly scheduleCache: ScheduleCache;
  readonly limits: ActiveLimits;
};

export function createRunQueue({ runCache, scheduleCache, limits }: RunQueueOptions): RunQueue {
  /** Let in by this process; the cache may not show it yet. */
  const letIn = new Set<string>();
  let known: ReadonlyMap<string, Admission> | undefined;
  const hasLimits = limits.total !== undefined || limits.perNamespace !== undefined;

  runCache.subscribe(({ type, object }) => {
    known = undefined;
    if (type === 'deleted' || isFinished(object)) letIn.delete(object.metadata.uid);
  });
  scheduleCache.subscribe(() => {
    known = undefined;
  });

  function unfinished(): CrawlRun[] {
    return runCache.list().filter((run) => !isFinished(run));
  }

  function compute(): ReadonlyMap<string, Admission> {
    known ??= admissions(unfinished().map(candidate), limits);
    return known;
  }

  function candidate(run: CrawlRun): Candidate {
    const queue = queueOf(run);
    return {
      uid: run.metadata.uid,
      name: run.metadata.name,
      namespace: run.metadata.namespace,
      priority: run.spec.priority ?? 0,
      createdAt: new Date(run.metadata.creationTimestamp ?? 0),
      isPaused: run.spec.suspend === true,
      admitted: letIn.has(run.metadata.uid) || isConditionTrue(run.status?.conditions, 'Accepted'),
      ...(queue === undefined ? {} : { queue }),
    };
  }

  /** The schedule whose runs go one after the other, if this run is one of them. */
  function queueOf(run: CrawlRun): string | undefined {
    const owner = controllerOf(run);
    if (owner === undefined) return undefined;
    const schedule = scheduleCache.get({ namespace: run.metadata.namespace, name: owner.name });
    if (schedule?.metadata.uid !== owner.uid) return undefined;
    const policy = schedule.spec.concurrencyPolicy;
    // A CrawlBackfill makes no more runs than may be at work, and gives way to the schedule.
    if (run.metadata.labels?.[LABEL.backfillUid] !== undefined) return undefined;
    // Whoever makes the runs of many times by hand may make them all at once; unless the schedule allows that, they take turns.
    const takesTurns = policy === 'Queue' || (run.spec.trigger?.type === 'Backfill' && policy !== 'Allow');
    return takesTurns ? owner.uid : undefined;
  }

  return {
    admit: (run) => {
      if (!hasLimits && queueOf(run) === undefined) return { admitted: true };
      const admission = compute().get(run.metadata.uid) ?? { admitted: true };
      if (admission.admitted) letIn.add(run.metadata.uid);
      return admission;
    },
    waiting: () => {
      const place = (run: CrawlRun) => {
        const admission = compute().get(run.metadata.uid);
        return admission?.admitted === false ? admission.position : 0;
      };
      return unfinished()
        .filter((run) => !candidate(run).admitted && !run.spec.suspend)
        .map((run) => ({ key: objectKey(run.metadata), place: place(run) }))
        .toSorted((a, b) => a.place - b.place)
        .map(({ key }) => key);
    },
  };
}
