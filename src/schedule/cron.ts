// Cron expressions in a time zone: when a schedule is due. Pure: the caller brings the time.
import { Cron } from 'croner';
import QuickLRU from 'quick-lru';
import { faultOfFields } from './cron-fault.ts';
import { expandHashedFields } from './hashed-fields.ts';
import { rememberingSlots } from './remembered-slots.ts';
import { findTimeZone } from './time-zone.ts';
import type { Timetable } from './timetable.ts';
import { type WallClockPattern, wallClockTimetable } from './wall-clock-timetable.ts';

export type CronError = {
  readonly reason: 'InvalidSchedule' | 'UnknownTimeZone';
  /** Names the field and says what is wrong with it. */
  readonly message: string;
};

export type CronParse =
  | { readonly ok: true; readonly timetable: Timetable }
  | { readonly ok: false; readonly error: CronError };

const MACROS = new Map([
  ['@yearly', '0 0 1 1 *'],
  ['@annually', '0 0 1 1 *'],
  ['@monthly', '0 0 1 * *'],
  ['@weekly', '0 0 * * 0'],
  ['@daily', '0 0 * * *'],
  ['@midnight', '0 0 * * *'],
  ['@hourly', '0 * * * *'],
]);

/**
 * Parses five or six cron fields (six begin with the second) or a macro, read in an IANA time zone. Understood are
 * ranges, steps, lists, names, L, W and #, and H for a value drawn by `hashSeed`. Where the hour is named, each time is
 * due once a day: one that does not exist when clocks go forward is due at the end of the gap, and one that exists twice
 * when they go back is due the first time only. Where the hour is a wildcard or a step, slots follow the time that
 * passes, so that an hourly schedule stays hourly.
 */
export function parseCron(expression: string, timeZone: string, hashSeed: string): CronParse {
  const zone = findTimeZone(timeZone);
  if (zone === undefined) {
    return failure(
      'UnknownTimeZone',
      `spec.timeZone: "${timeZone}" is not the name of an IANA time zone; write one such as Europe/Paris or Etc/UTC`,
    );
  }
  const invalid = (detail: string) => failure('InvalidSchedule', `spec.schedule: "${expression}" ${detail}`);
  const text = expression.trim();
  const misplaced = belongsElsewhere(text);
  if (misplaced !== undefined) return invalid(misplaced);
  if (text.startsWith('@') && !MACROS.has(text.toLowerCase())) {
    return invalid(`is not a known macro; there are ${[...MACROS.keys()].join(', ')}`);
  }
  if (text === '') return invalid('is empty; write a cron expression such as 0 6 * * *, which is 06:00 each day');
  const fields = (MACROS.get(text.toLowerCase()) ?? text).split(/\s+/);
  if (fields.length !== 5 && fields.length !== 6) {
    return invalid(
      `has ${fields.length} fields; a cron expression has five (minute, hour, day of month, month, day of week) or six, with the second first`,
    );
  }
  let pattern: WallClockPattern;
  let namesHours: boolean;
  try {
    const expanded = expandFields(fields, hashSeed);
    pattern = parsePattern(expanded.join(' '));
    namesHours = !/[*?/]/.test(expanded.at(-4) ?? '');
  } catch (error) {
    const detail = error instanceof Error ? error.message.replace(/^CronPattern: /, '') : String(error);
    const canRead = (some: readonly string[]) => canParse(some, hashSeed);
    return invalid(`is not a cron expression: ${faultOfFields(fields, canRead) ?? detail}`);
  }
  if (pattern.next(0) === undefined) return invalid('is never due');
  return { ok: true, timetable: wallClockTimetable(pattern, zone, namesHours) };
}

function expandFields(fields: readonly string[], hashSeed: string): string[] {
  return expandHashedFields(fields, hashSeed).map((field) => (isEveryValue(field) ? '*' : field));
}

function canParse(fields: readonly string[], hashSeed: string): boolean {
  try {
    parsePattern(expandFields(fields, hashSeed).join(' '));
    return true;
  } catch {
    return false;
  }
}

/** What other dialects of cron put into the expression, and the field that it has here. */
function belongsElsewhere(text: string): string | undefined {
  const [, every] = /^@every\b\s*(.*)$/i.exec(text) ?? [];
  if (every !== undefined) return `is an interval: write spec.interval: ${every || '5m'} in place of spec.schedule`;
  const [, zone, rest] = /^(?:CRON_)?TZ=(\S*)\s*(.*)$/.exec(text) ?? [];
  if (zone === undefined) return undefined;
  return `names a time zone: write spec.timeZone: ${zone || 'Europe/Paris'} and spec.schedule: '${rest || '0 6 * * *'}'`;
}

/** croner reads the expression as for UTC; what the zone's changes of clocks do is in wall-clock-timetable.ts. */
function parsePattern(expression: string): WallClockPattern {
  // With sloppyRanges 5/15 is understood, as the CronJobs of Kubernetes do.
  const cron = new Cron(expression, { utcOffset: 0, paused: true, mode: '5-or-6-parts', sloppyRanges: true });
  return {
    next: (after) => cron.nextRun(new Date(after))?.getTime(),
    // croner looks strictly before its reference.
    latest: (atOrBefore) => cron.previousRuns(1, new Date(atOrBefore + 1_000))[0]?.getTime(),
  };
}

/** However it is written, so that it does not count as a named day. */
function isEveryValue(field: string): boolean {
  return field.split(',').some((part) => ['*', '*/1', '?', '?/1'].includes(part));
}

const parsed = new QuickLRU<string, CronParse>({ maxSize: 10_000 });

/** parseCron, remembering what it parsed and found: an operator asks for the same expressions again and again. */
export function parseCronCached(expression: string, timeZone: string, hashSeed: string): CronParse {
  // Only an expression that draws is different for each seed.
  const seed = expression.includes('H') ? hashSeed : '';
  const key = `${timeZone} ${seed} ${expression}`;
  const known = parsed.get(key);
  if (known) return known;
  const result = parseCron(expression, timeZone, hashSeed);
  const remembering: CronParse = result.ok ? { ok: true, timetable: rememberingSlots(result.timetable) } : result;
  parsed.set(key, remembering);
  return remembering;
}

function failure(reason: CronError['reason'], message: string): CronParse {
  return { ok: false, error: { reason, message } };
}
