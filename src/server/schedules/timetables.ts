// When a spec is due, and what is wrong with its times: what the schema of the resource cannot tell. Pure.
import type { CrawlScheduleSpec } from '../../resources/crawl-schedule.ts';
import { durationMs } from '../../resources/duration.ts';
import { parseCron } from '../../schedule/cron.ts';
import { intervalTimetable, type Timetable } from '../../schedule/timetable.ts';
import { ProblemError } from '../http/problem.ts';

/** Undefined for one that follows another schedule. Throws an Invalid that names the field. */
export function timetableOf(spec: CrawlScheduleSpec, seed: string, now: Date): Timetable | undefined {
  if (spec.interval !== undefined) return intervalTimetable(durationMs(spec.interval), now);
  return spec.schedule === undefined ? undefined : cronTimetable(spec.schedule, spec.timeZone, seed);
}

type Times = { readonly schedule?: unknown; readonly timeZone?: unknown };

/**
 * Throws an Invalid that names the field. What is no text the API server refuses.
 * @param stored what the schedule has where the change says nothing
 */
export function checkTimes(change: Times, stored: Times = {}): void {
  if (change.schedule === undefined && change.timeZone === undefined) return;
  const { schedule = stored.schedule, timeZone = stored.timeZone } = change;
  if (typeof schedule === 'string') cronTimetable(schedule, typeof timeZone === 'string' ? timeZone : 'Etc/UTC', '');
}

function cronTimetable(schedule: string, timeZone: string, seed: string): Timetable {
  const parsed = parseCron(schedule, timeZone, seed);
  if (parsed.ok) return parsed.timetable;
  const field = parsed.error.reason === 'UnknownTimeZone' ? 'spec.timeZone' : 'spec.schedule';
  throw new ProblemError('Invalid', parsed.error.message, { errors: [{ field, message: parsed.error.message }] });
}
