// The interval in force where it adapts, and why it is as it is. Pure functions.
import { type CrawlRun, type CrawlSchedule, isFinished } from '../../custom-resources/types.ts';
import type { CrawlScheduleSpec } from '../../resources/crawl-schedule.ts';
import { DURATION_PATTERN, durationMs } from '../../resources/duration.ts';
import { adaptInterval } from '../../schedule/adaptive-interval.ts';
import { newestFirst, ownRuns } from './run-order.ts';
import { isResultReported } from './run-result.ts';

export type CurrentInterval = { readonly ms: number; readonly run?: string; readonly reason?: string };

/**
 * The interval in force: what the status says, one step further when a run has ended that it was not adapted to yet. It
 * starts from spec.interval: without a status, which costs a few runs more or less, and when that was edited.
 */
export function currentInterval(
  schedule: CrawlSchedule,
  spec: CrawlScheduleSpec,
  runs: readonly CrawlRun[],
): CurrentInterval | undefined {
  if (spec.interval === undefined || spec.adaptive === undefined) return undefined;
  const bounds = { minMs: durationMs(spec.adaptive.min), maxMs: durationMs(spec.adaptive.max) };
  const within = (ms: number) => Math.min(bounds.maxMs, Math.max(bounds.minMs, ms));
  const { status } = schedule;
  const isEdited = status?.timing !== undefined && status.timing.schedule !== spec.interval;
  const adapted = isEdited ? undefined : status?.currentInterval;
  const before = durationMs(adapted !== undefined && DURATION_PATTERN.test(adapted) ? adapted : spec.interval);
  // A backfill crawls the same site many times in a row: that it found no changes says nothing.
  const newest = newestFirst(ownRuns(runs)).find(
    (run) => isFinished(run) && run.status?.phase !== 'Stopped' && !isOfPart(run, spec),
  );
  const isNew =
    newest !== undefined && newest.metadata.name !== status?.adaptation?.run && !isResultReported(status, newest);
  if (!isNew) return { ms: within(before), ...(isEdited ? {} : status?.adaptation) };
  const { intervalMs, reason } = adaptInterval(before, newest.status?.changes, bounds);
  return { ms: intervalMs, run: newest.metadata.name, reason };
}

/** What changed in dead letters, or in one of several sources, says little of the rest. */
function isOfPart({ spec: { trigger, sources } }: CrawlRun, { runTemplate }: CrawlScheduleSpec): boolean {
  if (trigger?.type === 'Retry') return (trigger.only ?? 'All') !== 'All' || trigger.sources !== undefined;
  const active = new Set(runTemplate.spec.sources.flatMap((source) => (source.active ? source.name : [])));
  return sources.some((source) => source.active === false && active.has(source.name));
}
