// Which changes make the run controller look at a run at once. All else is seen at its next look, a few seconds later: a
// status that wakes its own writer would be written without end.
import { isDeepStrictEqual } from 'node:util';
import { type CrawlRun, isFinished } from '../../custom-resources/types.ts';
import type { Job, Pod } from '../../kube/builtin-types.ts';
import type { CacheChange } from '../../kube/cache.ts';
import { controllerOf, objectKey } from '../../kube/kube-object.ts';
import type { WorkQueue } from '../../kube/work-queue.ts';
import { LABEL } from '../../resources/group.ts';
import type { JobCache, PodCache, RunCache } from '../caches.ts';
import type { RunQueue } from './run-queue.ts';

/** It is new, was edited, is being deleted, has ended, or has lost its status. */
export function wakesRun(change: CacheChange<CrawlRun>): boolean {
  if (change.type !== 'updated') return true;
  const { object, previous } = change;
  return (
    object.metadata.generation !== previous.metadata.generation ||
    object.metadata.deletionTimestamp !== previous.metadata.deletionTimestamp ||
    isFinished(object) !== isFinished(previous) ||
    (object.status === undefined && previous.status !== undefined)
  );
}

/** It is being paused: another may take its place. */
function givesItsPlaceBack(change: CacheChange<CrawlRun>): boolean {
  return change.type === 'updated' && change.object.spec.suspend === true && change.previous.spec.suspend !== true;
}

/** It was made or deleted, its pods are others, or it was suspended, resumed or has ended. */
export function jobWakesRun(change: CacheChange<Job>): boolean {
  if (change.type !== 'updated') return true;
  return !isDeepStrictEqual(signsOfJob(change.object), signsOfJob(change.previous));
}

function signsOfJob({ metadata, spec, status }: Job): unknown {
  const conditions = status?.conditions?.map(({ type, status: value }) => `${type} ${value}`);
  return [metadata.deletionTimestamp, spec?.suspend, status?.active, status?.failed, conditions];
}

/** It was made or is gone, got a node, or its container is in another state. */
export function podWakesRun(change: CacheChange<Pod>): boolean {
  if (change.type !== 'updated') return true;
  return !isDeepStrictEqual(signsOfPod(change.object), signsOfPod(change.previous));
}

function signsOfPod({ metadata, spec, status }: Pod): unknown {
  const { phase, conditions = [], containerStatuses } = status ?? {};
  const verdicts = conditions.map(({ type, status: value, message }) => [type, value, message]);
  return [metadata.deletionTimestamp, spec?.nodeName, phase, verdicts, containerStatuses?.map(({ state }) => state)];
}

export type RunWakeOptions = {
  readonly runCache: RunCache;
  readonly jobCache: JobCache;
  readonly podCache: PodCache;
  readonly line: RunQueue;
  readonly queue: WorkQueue;
  /** A run is gone, or a pod of one: what is left of it in PostgreSQL is to be ended. */
  readonly onGone: () => void;
};

/** When a run has ended or is paused, so many of those that wait look whether it is their turn. */
const WOKEN_AT_ONCE = 20;

/** Queues runs for what their controller has to see. None is urgent: only the slots of schedules are. */
export function wakeRuns({ runCache, jobCache, podCache, line, queue, onGone }: RunWakeOptions): void {
  runCache.subscribe((change) => {
    if (!wakesRun(change)) return;
    const { type, object } = change;
    queue.add(objectKey(object.metadata));
    if (type === 'deleted') onGone();
    if (type === 'deleted' || isFinished(object) || givesItsPlaceBack(change)) {
      for (const key of line.waiting().slice(0, WOKEN_AT_ONCE)) queue.add(key);
    }
  });
  jobCache.subscribe((change) => {
    if (!jobWakesRun(change)) return;
    const { metadata } = change.object;
    const controller = controllerOf(change.object);
    const [run] = controller === undefined ? [] : runCache.byIndex('uid', controller.uid);
    if (run && run.metadata.namespace === metadata.namespace) queue.add(objectKey(run.metadata));
  });
  podCache.subscribe((change) => {
    if (!podWakesRun(change)) return;
    const { labels, namespace } = change.object.metadata;
    const [run] = runCache.byIndex('uid', labels?.[LABEL.runUid] ?? '');
    if (run && run.metadata.namespace === namespace) queue.add(objectKey(run.metadata));
    else onGone(); // it may have been the last of a deleted run
  });
}
