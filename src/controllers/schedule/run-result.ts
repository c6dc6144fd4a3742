// How a run ended, as its schedule sees it, and whether the schedule's status says so yet. Pure functions.
import { type CrawlRun, isOfBackfill } from '../../custom-resources/types.ts';
import { isConditionTrue } from '../../kube/conditions.ts';
import type { CrawlScheduleStatus } from '../../resources/crawl-schedule.ts';
import type { ScheduleCache } from '../caches.ts';
import { scheduleOf } from './schedule-of.ts';

/**
 * Whether the schedule's status holds the result of this finished run, so that the run may be deleted: what its end says
 * to people, to schedules that come after it and to an interval that adapts is written in one go.
 */
export function isResultReported(status: CrawlScheduleStatus | undefined, run: CrawlRun): boolean {
  if (isOfBackfill(run)) return true; // its result is not the schedule's
  const { completionTime, phase } = run.status ?? {};
  const { lastRun, lastSuccessfulTime, lastFailureTime } = status ?? {};
  if (lastRun?.name === run.metadata.name && lastRun.phase !== phase) return false;
  const result = resultOf(run);
  if (completionTime === undefined || result === undefined) return true;
  const reported = result === 'Success' ? lastSuccessfulTime : lastFailureTime;
  return reported !== undefined && Date.parse(reported) >= Date.parse(completionTime);
}

/** The same by what the cache knows of its schedule; true for a run without one. */
export function isRunReported(run: CrawlRun, scheduleCache: Pick<ScheduleCache, 'get'>): boolean {
  const schedule = scheduleOf(run, scheduleCache);
  return schedule === undefined || isResultReported(schedule.status, run);
}

/** A stopped run is neither a success nor a failure. */
export function resultOf(run: CrawlRun): 'Success' | 'Failure' | undefined {
  if (run.status?.phase === 'Stopped') return undefined;
  if (isConditionTrue(run.status?.conditions, 'Complete')) return 'Success';
  return isConditionTrue(run.status?.conditions, 'Failed') ? 'Failure' : undefined;
}
