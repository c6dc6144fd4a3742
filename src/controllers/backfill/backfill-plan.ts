// Which runs a backfill would make: the times of its range, less those that have had their runs. Pure functions.
import { createHash } from 'node:crypto';
import { backfillRunName } from '../../custom-resources/new-runs.ts';
import type { CrawlBackfill, CrawlRun, CrawlSchedule } from '../../custom-resources/types.ts';
import { isFinished } from '../../custom-resources/types.ts';
import { timestamp } from '../../kube/time.ts';
import type { BackfillReason } from '../../resources/conditions.ts';
import { type CrawlBackfillSpec, type CrawlBackfillStatus, MAX_BACKFILL_RUNS } from '../../resources/crawl-backfill.ts';
import type { CrawlScheduleSpec } from '../../resources/crawl-schedule.ts';
import { durationMs } from '../../resources/duration.ts';
import { parseCronCached } from '../../schedule/cron.ts';
import { slotsBetween } from '../../schedule/due.ts';
import { intervalTimetable, type Timetable } from '../../schedule/timetable.ts';
import type { SlotResult } from '../../store/execution-store.ts';
import type { RunOutcome } from '../../store/run-outcome.ts';

/** Waiting; one whose status was wiped may have had some of its runs. */
export type PlannedRun = { readonly name: string; readonly time: string; readonly phase: 'Waiting' | RunOutcome };

export type Plan = {
  readonly hash: string;
  readonly template: string;
  readonly runs: readonly PlannedRun[];
  /** Times of the range that get no run. */
  readonly skipped: number;
};

export type Planning =
  | { readonly ok: true; readonly plan: Plan }
  | { readonly ok: false; readonly reason: BackfillReason; readonly message: string };

/** What is known of the times of the range. */
export type Past = {
  /** The schedule's runs that the API server has. */
  readonly runs: readonly CrawlRun[];
  /** Those that have ended, also where they are gone. */
  readonly ended: readonly SlotResult[];
  /** Times for which other backfills of the schedule are about to make runs, in milliseconds. */
  readonly taken: ReadonlySet<number>;
};

type SlotPast = { readonly isOpen: boolean; readonly gaveResults: boolean };

/** The times of the range, or why there are none to be had. One more than are allowed are enough to see that. */
export function slotsOf(
  schedule: CrawlSchedule,
  spec: CrawlScheduleSpec,
  { from, to }: Pick<CrawlBackfillSpec, 'from' | 'to'>,
  now: Date,
): { ok: true; slots: Date[] } | { ok: false; reason: BackfillReason; message: string } {
  const start = new Date(from);
  const end = new Date(to);
  if (end > now) {
    return { ok: false, reason: 'TimesAhead', message: 'spec.to lies ahead: the schedule makes those runs itself' };
  }
  const found = timetableOf(schedule, spec, start);
  if (!found.ok) return found;
  const slots = slotsBetween(found.timetable, start, end, MAX_BACKFILL_RUNS + 1);
  if (slots.length <= MAX_BACKFILL_RUNS) return { ok: true, slots };
  const message = `more than ${MAX_BACKFILL_RUNS} times lie between spec.from and spec.to: make several backfills`;
  return { ok: false, reason: 'TooManyRuns', message };
}

function timetableOf(
  schedule: CrawlSchedule,
  spec: CrawlScheduleSpec,
  from: Date,
): { ok: true; timetable: Timetable } | { ok: false; reason: BackfillReason; message: string } {
  if (spec.interval !== undefined) {
    return { ok: true, timetable: intervalTimetable(durationMs(spec.interval), from) };
  }
  if (spec.schedule === undefined) {
    const message = 'a schedule that comes after another one has no times to fill in';
    return { ok: false, reason: 'ScheduleWithoutTimes', message };
  }
  const parsed = parseCronCached(spec.schedule, spec.timeZone, schedule.metadata.uid);
  return parsed.ok ? parsed : { ok: false, reason: 'InvalidSchedule', message: parsed.error.message };
}

/** The same answer for the same past: its own runs, made or not, change nothing. */
export function planBackfill(
  schedule: CrawlSchedule,
  backfill: CrawlBackfill,
  reprocess: CrawlBackfillSpec['reprocess'],
  slots: readonly Date[],
  past: Past,
): Planning {
  const planned = slots.map((slot) => ({
    slot,
    name: backfillRunName(schedule.metadata.name, slot, backfill),
    time: timestamp(slot),
  }));
  const own = new Set(planned.map(({ name }) => name));
  const outcomes = new Map(past.ended.map(({ name, outcome }) => [name, outcome]));
  const pasts = pastBySlot(past, own);
  const runs = planned
    .filter(({ slot }) => !past.taken.has(slot.getTime()) && isWanted(pasts.get(slot.getTime()), reprocess))
    .map(({ name, time }) => ({ name, time, phase: outcomes.get(name) ?? ('Waiting' as const) }));
  if (runs.length === 0) {
    const message =
      slots.length === 0
        ? 'the schedule has no time between spec.from and spec.to'
        : `all ${slots.length} times have had their runs (spec.reprocess is ${reprocess})`;
    return { ok: false, reason: 'NothingToDo', message };
  }
  const template = templateHash(schedule);
  const hash = hashOf([schedule.metadata.uid, template, runs.map(({ name }) => name)]);
  return { ok: true, plan: { hash, template, runs, skipped: slots.length - runs.length } };
}

function isWanted(past: SlotPast | undefined, reprocess: CrawlBackfillSpec['reprocess']): boolean {
  if (past === undefined) return true;
  if (past.isOpen || reprocess === 'None') return false;
  return reprocess === 'All' || !past.gaveResults;
}

function pastBySlot({ runs, ended }: Past, own: ReadonlySet<string>): ReadonlyMap<number, SlotPast> {
  const pasts = new Map<number, SlotPast>();
  const note = (time: number, { isOpen, gaveResults }: SlotPast) => {
    const known = pasts.get(time);
    pasts.set(time, {
      isOpen: isOpen || known?.isOpen === true,
      gaveResults: gaveResults || known?.gaveResults === true,
    });
  };
  for (const run of runs) {
    const { scheduledTime } = run.spec.trigger ?? {};
    if (scheduledTime === undefined || own.has(run.metadata.name)) continue;
    const { phase } = run.status ?? {};
    const gaveResults = phase === 'Succeeded' || phase === 'Partial';
    note(Date.parse(scheduledTime), { isOpen: !isFinished(run), gaveResults });
  }
  for (const { name, scheduledTime, outcome } of ended) {
    if (own.has(name)) continue;
    note(scheduledTime.getTime(), { isOpen: false, gaveResults: outcome === 'Succeeded' || outcome === 'Partial' });
  }
  return pasts;
}

/** Of what runs are made of: one that was edited makes other runs. */
export function templateHash({ spec }: CrawlSchedule): string {
  return hashOf(spec.runTemplate);
}

/** The same whatever the order of an object's keys. */
function hashOf(value: unknown): string {
  const text = JSON.stringify(value, (_key, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}

/** Times for which unfinished backfills are about to make runs, in milliseconds. */
export function takenTimes(others: readonly { readonly status?: CrawlBackfillStatus }[]): ReadonlySet<number> {
  const open = others.filter(({ status }) => status?.approvedPlan !== undefined);
  const waiting = open.flatMap(({ status }) => (status?.runs ?? []).filter(({ phase }) => phase === 'Waiting'));
  return new Set(waiting.map(({ time }) => Date.parse(time)));
}
