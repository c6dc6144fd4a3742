// Which changes make the schedule controller look at a schedule, and how soon.
import { type CrawlRun, type CrawlSchedule, isFinished, phaseOf } from '../../custom-resources/types.ts';
import type { CacheChange } from '../../kube/cache.ts';
import { objectKey } from '../../kube/kube-object.ts';
import type { WorkQueue } from '../../kube/work-queue.ts';
import type { RunCache, ScheduleCache } from '../caches.ts';
import { requestIn, resumeRequestIn } from './run-request.ts';
import { scheduleOf } from './schedule-of.ts';

/** Most changes of runs come in groups: a schedule's status shows them together, this long after the first. */
const STATUS_DELAY_MS = 1_000;

/** It is new, was edited, requests a run or a resume, or has lost its status. What the operator itself wrote does not wake it. */
export function wakesSchedule(change: CacheChange<CrawlSchedule>): boolean {
  if (change.type !== 'updated') return true;
  const { object, previous } = change;
  return (
    object.metadata.generation !== previous.metadata.generation ||
    object.metadata.deletionTimestamp !== previous.metadata.deletionTimestamp ||
    requestIn(object) !== requestIn(previous) ||
    resumeRequestIn(object) !== resumeRequestIn(previous) ||
    hasLostStatus(object, previous)
  );
}

/** Somebody else took away what the operator wrote. */
function hasLostStatus({ status }: CrawlSchedule, previous: CrawlSchedule): boolean {
  const before = previous.status;
  if (before === undefined) return false;
  return status?.conditions === undefined || status.observedGeneration !== before.observedGeneration;
}

/** What a run's change means to its schedule: its end is shown at once, its steps soon, its progress not at all. */
export function urgencyOfRun(change: CacheChange<CrawlRun>): 'AtOnce' | 'Soon' | 'Never' {
  if (change.type === 'added') return 'Soon';
  if (change.type === 'deleted') return 'AtOnce';
  const { object, previous } = change;
  if (isFinished(object)) return isFinished(previous) ? 'Never' : 'AtOnce';
  return phaseOf(object) === phaseOf(previous) ? 'Never' : 'Soon';
}

export type ScheduleWakeOptions = {
  readonly scheduleCache: ScheduleCache;
  readonly runCache: RunCache;
  readonly queue: WorkQueue;
};

/** Queues schedules for what their controller has to see. */
export function wakeSchedules({ scheduleCache, runCache, queue }: ScheduleWakeOptions): void {
  scheduleCache.subscribe((change) => {
    if (!wakesSchedule(change)) return;
    const key = objectKey(change.object.metadata);
    queue.add(key);
    addDownstream(key);
  });
  runCache.subscribe((change) => {
    const urgency = urgencyOfRun(change);
    const schedule = scheduleOf(change.object, scheduleCache);
    if (urgency === 'Never' || schedule === undefined) return;
    const key = objectKey(schedule.metadata);
    if (urgency === 'Soon') queue.addAfter(key, STATUS_DELAY_MS);
    else queue.add(key);
    addDownstream(key);
  });

  /** Schedules that come after this one. */
  function addDownstream(key: string): void {
    for (const schedule of scheduleCache.byIndex('after', key)) queue.add(objectKey(schedule.metadata));
  }
}
