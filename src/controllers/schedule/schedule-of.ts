// The schedule that a run belongs to.
import type { CrawlRun, CrawlSchedule } from '../../custom-resources/types.ts';
import { controllerOf } from '../../kube/kube-object.ts';
import type { ScheduleCache } from '../caches.ts';

/** The schedule that controls the run, by UID. */
export function scheduleOf(run: CrawlRun, scheduleCache: Pick<ScheduleCache, 'get'>): CrawlSchedule | undefined {
  const controller = controllerOf(run);
  if (controller === undefined) return undefined;
  const schedule = scheduleCache.get({ namespace: run.metadata.namespace, name: controller.name });
  return schedule?.metadata.uid === controller.uid ? schedule : undefined;
}
