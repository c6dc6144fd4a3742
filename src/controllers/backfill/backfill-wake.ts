// Which changes make the backfill controller look at a backfill, and how soon.
import { controllerOf, objectKey } from '../../kube/kube-object.ts';
import type { WorkQueue } from '../../kube/work-queue.ts';
import type { BackfillCache, RunCache, ScheduleCache } from '../caches.ts';
import { urgencyOfRun } from '../schedule/schedule-wake.ts';

/** Most changes come in groups: they are shown together, this long after the first. */
const STATUS_DELAY_MS = 1_000;

export type BackfillWakeOptions = {
  readonly backfillCache: BackfillCache;
  readonly scheduleCache: ScheduleCache;
  readonly runCache: RunCache;
  readonly queue: Pick<WorkQueue, 'add' | 'addAfter'>;
};

export function wakeBackfills({ backfillCache, scheduleCache, runCache, queue }: BackfillWakeOptions): void {
  backfillCache.subscribe((change) => {
    const { namespace } = change.object.metadata;
    const key = objectKey(change.object.metadata);
    const isOurs =
      change.type === 'updated' && change.object.metadata.generation === change.previous.metadata.generation;
    if (!isOurs) queue.add(key);
    else if (change.object.status?.conditions === undefined) queue.add(key);
    // What one of them is about to make, another one does not plan.
    addAllOf(objectKey({ namespace, name: change.object.spec.scheduleName }), STATUS_DELAY_MS, key);
  });
  scheduleCache.subscribe((change) => {
    const isStatus =
      change.type === 'updated' && change.object.metadata.generation === change.previous.metadata.generation;
    if (!isStatus) addAllOf(objectKey(change.object.metadata), 0);
  });
  runCache.subscribe((change) => {
    const owner = controllerOf(change.object);
    const urgency = urgencyOfRun(change);
    if (owner === undefined || urgency === 'Never') return;
    const { namespace } = change.object.metadata;
    addAllOf(objectKey({ namespace, name: owner.name }), urgency === 'AtOnce' ? 0 : STATUS_DELAY_MS);
  });

  function addAllOf(scheduleKey: string, delayMs: number, except?: string): void {
    for (const { metadata } of backfillCache.byIndex('schedule', scheduleKey)) {
      const key = objectKey(metadata);
      if (key === except) continue;
      if (delayMs === 0) queue.add(key);
      else queue.addAfter(key, delayMs);
    }
  }
}
