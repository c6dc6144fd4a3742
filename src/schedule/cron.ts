// Cron expressions in a time zone: when a schedule is due. Pure: the caller brings the time.
import { Cron } from 'croner';

/** A parsed schedule. Times are instants; what they are on the wall is the business of the schedule's zone. */
export type CronSchedule = {
  /** The first due time after the instant; undefined when there is none. */
  next(after: Date): Date | undefined;
  /** The last due time at or before the instant; undefined when there is none. */
  latest(atOrBefore: Date): Date | undefined;
};

export type CronError = {
  readonly reason: 'InvalidSchedule' | 'UnknownTimeZone';
  /** Names the field and says what is wrong with it. */
  readonly message: string;
};

export type CronParse =
  | { readonly ok: true; readonly schedule: CronSchedule }
  | { readonly ok: false; readonly error: CronError };

/**
 * Parses five cron fields read in an IANA time zone. On the day that clocks go forward, a time that does not exist is
 * due once, at the end of the gap; on the day that they go back, a time that exists twice is due the first time only.
 */
export function parseCron(expression: string, timeZone: string): CronParse {
  if (!isTimeZone(timeZone)) {
    return failure(
      'UnknownTimeZone',
      `spec.timeZone: "${timeZone}" is not an IANA time zone; write one such as Europe/Paris or Etc/UTC`,
    );
  }
  let cron: Cron;
  try {
    cron = new Cron(expression, { timezone: timeZone, paused: true, mode: '5-part' });
  } catch (error) {
    const detail = error instanceof Error ? error.message.replace(/^CronPattern: /, '') : String(error);
    return failure(
      'InvalidSchedule',
      `spec.schedule: "${expression}" is not a cron expression of five fields: ${detail}`,
    );
  }
  if (cron.nextRun() === null) {
    return failure('InvalidSchedule', `spec.schedule: "${expression}" is never due`);
  }
  return {
    ok: true,
    schedule: {
      next: (after) => cron.nextRun(after) ?? undefined,
      // croner looks strictly before its reference, in whole seconds.
      latest: (atOrBefore) => cron.previousRuns(1, new Date(atOrBefore.getTime() + 1_000))[0],
    },
  };
}

const CACHE_LIMIT = 20_000;
const cache = new Map<string, CronParse>();

/** parseCron, remembering what it parsed: an operator asks for the same few expressions again and again. */
export function parseCronCached(expression: string, timeZone: string): CronParse {
  const key = `${timeZone} ${expression}`;
  const known = cache.get(key);
  if (known) return known;
  const parsed = parseCron(expression, timeZone);
  if (cache.size >= CACHE_LIMIT) cache.clear();
  cache.set(key, parsed);
  return parsed;
}

function failure(reason: CronError['reason'], message: string): CronParse {
  return { ok: false, error: { reason, message } };
}

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
