// Which of a schedule's runs is the newest, and the time that each of them is for.
import type { CrawlRun } from '../../custom-resources/types.ts';

/** The nominal time of a run; a manual run, which has none, counts from its creation. */
export function nominalTime(run: CrawlRun): Date {
  return new Date(run.spec.trigger?.scheduledTime ?? run.metadata.creationTimestamp ?? 0);
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
