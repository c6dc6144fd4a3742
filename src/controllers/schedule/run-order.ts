// Which of a schedule's runs are its own, which is the newest, and the time that each of them is for. Pure functions.
import { type CrawlRun, isOfBackfill } from '../../custom-resources/types.ts';

/** The nominal time of a run; a manual run, which has none, counts from its creation. */
export function nominalTime(run: CrawlRun): Date {
  return new Date(run.spec.trigger?.scheduledTime ?? run.metadata.creationTimestamp ?? 0);
}

/**
 * Those whose results are the schedule's: of its slots, by hand, and retries of these. A run that fills in a past time says
 * nothing of how the schedule fares; its CrawlBackfill tells how it ended.
 */
export function ownRuns(runs: readonly CrawlRun[]): CrawlRun[] {
  return runs.filter((run) => !isOfBackfill(run));
}

/** In the order of creation, the newest first; of those of one second the one with the later nominal time. */
export function newestFirst(runs: readonly CrawlRun[]): CrawlRun[] {
  return runs.toSorted(
    (a, b) =>
      createdAt(b) - createdAt(a) ||
      nominalTime(b).getTime() - nominalTime(a).getTime() ||
      (a.metadata.name < b.metadata.name ? 1 : -1),
  );
}

function createdAt(run: CrawlRun): number {
  return Date.parse(run.metadata.creationTimestamp ?? '') || 0;
}
