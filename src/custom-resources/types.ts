// Trawler's own resources as the API server sends them.
import { isConditionTrue } from '../kube/conditions.ts';
import type { NamespacedObject, ResourceType } from '../kube/kube-object.ts';
import type { CrawlBackfillSpecInput, CrawlBackfillStatus } from '../resources/crawl-backfill.ts';
import type { CrawlRunSpecInput, CrawlRunStatus, RunPhase } from '../resources/crawl-run.ts';
import type { CrawlScheduleSpecInput, CrawlScheduleStatus } from '../resources/crawl-schedule.ts';
import { GROUP, LABEL, VERSION } from '../resources/group.ts';

export type CrawlRun = NamespacedObject & { spec: CrawlRunSpecInput; status?: CrawlRunStatus };
export type CrawlSchedule = NamespacedObject & { spec: CrawlScheduleSpecInput; status?: CrawlScheduleStatus };
export type CrawlBackfill = NamespacedObject & { spec: CrawlBackfillSpecInput; status?: CrawlBackfillStatus };

export const CRAWL_RUNS: ResourceType = {
  group: GROUP,
  version: VERSION,
  plural: 'crawlruns',
  kind: 'CrawlRun',
  namespaced: true,
};

export const CRAWL_SCHEDULES: ResourceType = {
  group: GROUP,
  version: VERSION,
  plural: 'crawlschedules',
  kind: 'CrawlSchedule',
  namespaced: true,
};

export const CRAWL_BACKFILLS: ResourceType = {
  group: GROUP,
  version: VERSION,
  plural: 'crawlbackfills',
  kind: 'CrawlBackfill',
  namespaced: true,
};

/** Whether a slot of a schedule made the run: only these show how far the schedule has come. */
export function isSlotRun(run: CrawlRun): boolean {
  const { type, scheduledTime } = run.spec.trigger ?? {};
  return (type === 'Schedule' || type === 'CatchUp') && scheduledTime !== undefined;
}

/** Whether the run fills in a past time, or tries one again that does: it has the labels of that. */
export function isOfBackfill({ metadata, spec }: CrawlRun): boolean {
  return spec.trigger?.type === 'Backfill' || metadata.labels?.[LABEL.backfillUid] !== undefined;
}

/** Whether the run has come to its end, however it ended. */
export function isFinished(run: CrawlRun): boolean {
  return isConditionTrue(run.status?.conditions, 'Finished');
}

/** A run that no operator has looked at yet is Pending. */
export function phaseOf({ status }: CrawlRun): RunPhase {
  return status?.phase ?? 'Pending';
}
