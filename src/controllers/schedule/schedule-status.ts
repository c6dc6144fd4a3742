// What a CrawlSchedule's status says, from the schedule and its runs. Pure functions.

import { type CrawlRun, type CrawlSchedule, isFinished } from '../../custom-resources/types.ts';
import { isConditionTrue, setCondition } from '../../kube/conditions.ts';
import { timestamp } from '../../kube/time.ts';
import type { ScheduleReason } from '../../resources/conditions.ts';
import type { CrawlScheduleSpec, CrawlScheduleStatus } from '../../resources/crawl-schedule.ts';
import { durationMs, formatDuration } from '../../resources/duration.ts';
import { adaptInterval } from '../../schedule/adaptive-interval.ts';
import { defined } from '../defined.ts';

export type Timing = NonNullable<CrawlScheduleStatus['timing']>;

/**
 * When-to-run as it is in force. An edit of schedule or zone and a resume count from now on; a schedule that was never
 * seen before counts from its creation, so that an operator that was away at that time loses nothing.
 */
export function timingInForce(schedule: CrawlSchedule, spec: CrawlScheduleSpec, now: Date): Timing {
  const wanted = {
    schedule: spec.schedule ?? spec.interval ?? `after ${spec.after?.schedule}`,
    timeZone: spec.timeZone,
    suspend: spec.suspend,
  };
  const known = schedule.status?.timing;
  if (known === undefined) {
    const since = spec.suspend ? now : new Date(schedule.metadata.creationTimestamp ?? now);
    return { ...wanted, since: since.toISOString() };
  }
  const unchanged =
    known.schedule === wanted.schedule && known.timeZone === wanted.timeZone && known.suspend === wanted.suspend;
  return unchanged ? known : { ...wanted, since: now.toISOString() };
}

/** The nominal time of a run; a manual run, which has none, counts from its creation. */
export function nominalTime(run: CrawlRun): Date {
  return new Date(run.spec.trigger?.scheduledTime ?? run.metadata.creationTimestamp ?? 0);
}

/** Newest nominal time first. */
export function newestFirst(runs: readonly CrawlRun[]): CrawlRun[] {
  return runs.toSorted((a, b) => nominalTime(b).getTime() - nominalTime(a).getTime());
}

/** The instant up to which every slot is dealt with. It needs no status: the runs themselves remember. */
export function scheduleCursor(
  timing: Timing,
  status: CrawlScheduleStatus | undefined,
  runs: readonly CrawlRun[],
): Date {
  const times = [timing.since, status?.lastScheduleTime, status?.lastSkippedTime]
    .filter((time) => time !== undefined)
    .map((time) => Date.parse(time));
  const nominal = runs
    .filter((run) => run.spec.trigger?.scheduledTime !== undefined)
    .map((run) => nominalTime(run).getTime());
  return new Date(Math.max(...times, ...nominal));
}

/** The finished runs beyond the history limits, oldest first; `keep` is never among them. */
export function expiredRuns(spec: CrawlScheduleSpec, runs: readonly CrawlRun[], keep: string | undefined): CrawlRun[] {
  const finished = newestFirst(runs.filter(isFinished));
  const gaveResults = finished.filter((run) => isConditionTrue(run.status?.conditions, 'Complete'));
  const failed = finished.filter((run) => !isConditionTrue(run.status?.conditions, 'Complete'));
  const beyond = [...gaveResults.slice(spec.successfulRunsHistoryLimit), ...failed.slice(spec.failedRunsHistoryLimit)];
  return newestFirst(beyond.filter((run) => run.metadata.name !== keep)).reverse();
}

/** The interval in force where it adapts, and why it is as it is. */
export type CurrentInterval = { readonly ms: number; readonly run?: string; readonly reason?: string };

/**
 * The interval in force: what the status says, one step further when a run has ended that it was not adapted to yet.
 * Without a status it starts again from spec.interval, which costs nothing but a few runs more or less.
 */
export function currentInterval(
  schedule: CrawlSchedule,
  spec: CrawlScheduleSpec,
  runs: readonly CrawlRun[],
): CurrentInterval | undefined {
  if (spec.interval === undefined || spec.adaptive === undefined) return undefined;
  const bounds = { minMs: durationMs(spec.adaptive.min), maxMs: durationMs(spec.adaptive.max) };
  const { currentInterval: text, adaptation } = schedule.status ?? {};
  const before = durationMs(text ?? spec.interval);
  const newest = newestFirst(runs).find((run) => isFinished(run) && run.status?.phase !== 'Stopped');
  if (newest === undefined || newest.metadata.name === adaptation?.run) {
    return { ms: Math.min(bounds.maxMs, Math.max(bounds.minMs, before)), ...adaptation };
  }
  const { intervalMs, reason } = adaptInterval(before, newest.status?.changes, bounds);
  return { ms: intervalMs, run: newest.metadata.name, reason };
}

export type ScheduleObservation = {
  readonly timing: Timing;
  readonly runs: readonly CrawlRun[];
  readonly ready: { readonly status: 'True' | 'False'; readonly reason: ScheduleReason; readonly message: string };
  /** When the next runs start, soonest first. */
  readonly upcoming: readonly Date[];
  readonly skipped?: Date;
  readonly interval?: CurrentInterval;
  /** The status that this was derived from: its times are kept even when somebody wipes it meanwhile. */
  readonly known?: CrawlScheduleStatus | undefined;
};

function latest(...times: (string | undefined)[]): string | undefined {
  const known = times.filter((time) => time !== undefined);
  return known.sort((a, b) => Date.parse(b) - Date.parse(a))[0];
}

function intervalStatus(
  interval: CurrentInterval | undefined,
): Pick<CrawlScheduleStatus, 'currentInterval' | 'adaptation'> {
  if (interval === undefined) return {};
  const { ms, run, reason } = interval;
  return {
    currentInterval: formatDuration(ms),
    ...(run !== undefined && reason !== undefined ? { adaptation: { run, reason } } : {}),
  };
}

/** The whole status; times that only runs knew are kept after those runs are gone. */
export function scheduleStatus(schedule: CrawlSchedule, seen: ScheduleObservation, now: Date): CrawlScheduleStatus {
  const before = schedule.status;
  const { known } = seen;
  const runs = newestFirst(seen.runs);
  const active = runs.filter((run) => !isFinished(run));
  const completed = (condition: 'Complete' | 'Failed') =>
    runs
      .filter((run) => isConditionTrue(run.status?.conditions, condition) && run.status?.phase !== 'Stopped')
      .map((run) => run.status?.completionTime);
  const [newest] = runs;
  const newestSlot = runs.find((run) => run.spec.trigger?.scheduledTime !== undefined);
  return {
    observedGeneration: schedule.metadata.generation ?? 0,
    conditions: setCondition(
      before?.conditions,
      { type: 'Ready', ...seen.ready, observedGeneration: schedule.metadata.generation ?? 0 },
      now,
    ),
    timing: seen.timing,
    ...intervalStatus(seen.interval),
    active: active.map((run) => run.metadata.name),
    activeCount: active.length,
    nextScheduleTimes: seen.upcoming.map(timestamp),
    ...defined({
      lastScheduleTime: latest(
        before?.lastScheduleTime,
        known?.lastScheduleTime,
        newestSlot && timestamp(nominalTime(newestSlot)),
      ),
      lastSkippedTime: latest(before?.lastSkippedTime, known?.lastSkippedTime, seen.skipped && timestamp(seen.skipped)),
      lastSuccessfulTime: latest(before?.lastSuccessfulTime, known?.lastSuccessfulTime, ...completed('Complete')),
      lastFailureTime: latest(before?.lastFailureTime, known?.lastFailureTime, ...completed('Failed')),
      nextScheduleTime: seen.upcoming[0] && timestamp(seen.upcoming[0]),
    }),
    ...(newest
      ? {
          lastRun: {
            name: newest.metadata.name,
            ...defined({ phase: newest.status?.phase, items: newest.status?.progress?.items }),
          },
        }
      : before?.lastRun
        ? { lastRun: before.lastRun }
        : {}),
  };
}
