// The line in which runs wait: admissions computed from the caches, remembered until something changes.

import { type CrawlRun, isFinished } from '../../custom-resources/types.ts';
import { findCondition, isConditionTrue } from '../../kube/conditions.ts';
import { controllerOf, objectKey } from '../../kube/kube-object.ts';
import { LABEL } from '../../resources/group.ts';
import { isQueue, queueOfSpec, unknownQueue } from '../../resources/queues.ts';
import type { RunCache, ScheduleCache } from '../caches.ts';
import { type ActiveLimits, type Admission, admissions, type Candidate, laneOf } from './admission.ts';

export type RunQueue = {
  /** What is wrong with the queue that the run names; undefined when it is there. */
  trouble(run: CrawlRun): string | undefined;
  /** Whether this unfinished run may work now. A run that was let in once stays in. */
  admit(run: CrawlRun): Admission;
  /** Keys of runs that have not been let in yet: first those whose turn it is now, then the others in line. */
  waiting(): string[];
};

export type RunQueueOptions = {
  readonly runCache: RunCache;
  readonly scheduleCache: ScheduleCache;
  readonly limits: ActiveLimits;
  readonly now: () => Date;
};

export function createRunQueue({ runCache, scheduleCache, limits, now }: RunQueueOptions): RunQueue {
  /** Let in by this process; the cache may not show it yet. */
  const letIn = new Set<string>();
  /** When a namespace last had its turn in a queue, as far as runs tell that are or were there. */
  const turns = new Map<string, number>();
  let known: ReadonlyMap<string, Admission> | undefined;
  const caps = limits.queues ?? new Map();
  const hasCaps = [...caps.values()].some((cap) => cap !== undefined);
  const hasLimits = hasCaps || limits.total !== undefined || limits.perNamespace !== undefined;

  runCache.list().forEach(noteTurn);
  runCache.subscribe(({ type, object }) => {
    known = undefined;
    noteTurn(object);
    if (type === 'deleted' || isFinished(object)) letIn.delete(object.metadata.uid);
  });
  scheduleCache.subscribe(() => {
    known = undefined;
  });

  /** A run of a slot may be gone long before the next one is due: its namespace has had its turn all the same. */
  function noteTurn(run: CrawlRun): void {
    const accepted = findCondition(run.status?.conditions, 'Accepted');
    if (accepted?.status === 'True') setTurn(run, Date.parse(accepted.lastTransitionTime));
  }

  function setTurn({ metadata: { namespace }, spec }: CrawlRun, at: number): void {
    const lane = laneOf({ queue: queueOfSpec(spec), namespace });
    if (at > (turns.get(lane) ?? 0)) turns.set(lane, at);
  }

  function trouble({ spec }: CrawlRun): string | undefined {
    return unknownQueue(queueOfSpec(spec), caps, 'spec.queue');
  }

  function unfinished(): CrawlRun[] {
    return runCache.list().filter((run) => !isFinished(run));
  }

  function compute(): ReadonlyMap<string, Admission> {
    known ??= admissions(candidates(), limits, turns);
    return known;
  }

  /** A run whose queue is not there waits for that, and stands in nobody's way. */
  function candidates(): Candidate[] {
    const all = unfinished().map(candidate);
    return all.filter(({ admitted, queue }) => admitted || isQueue(queue, caps));
  }

  function candidate(run: CrawlRun): Candidate {
    const takesTurnsIn = scheduleInTurns(run);
    return {
      uid: run.metadata.uid,
      name: run.metadata.name,
      namespace: run.metadata.namespace,
      queue: queueOfSpec(run.spec),
      priority: run.spec.priority ?? 0,
      createdAt: new Date(run.metadata.creationTimestamp ?? 0),
      isPaused: run.spec.suspend === true,
      admitted: letIn.has(run.metadata.uid) || isConditionTrue(run.status?.conditions, 'Accepted'),
      ...(takesTurnsIn === undefined ? {} : { takesTurnsIn }),
    };
  }

  /** The schedule whose runs go one after the other, if this run is one of them. */
  function scheduleInTurns(run: CrawlRun): string | undefined {
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
    trouble,
    admit: (run) => {
      if (!hasLimits && scheduleInTurns(run) === undefined) return { admitted: true };
      const admission = compute().get(run.metadata.uid) ?? { admitted: true };
      if (admission.admitted && !letIn.has(run.metadata.uid)) {
        letIn.add(run.metadata.uid);
        setTurn(run, now().getTime());
      }
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
