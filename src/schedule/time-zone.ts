// How far the wall clock of a time zone is ahead of UTC, and when that changes, as the runtime's zone data has it.

/** A stretch of time without a change; all in milliseconds, the instants since the epoch. */
export type ZonePeriod = {
  readonly start: number;
  /** Exclusive. Where nothing is known to change, the end of a UTC year. */
  readonly end: number;
  /** What the wall clock shows, read as if it were UTC, less the instant. */
  readonly offset: number;
};

export type TimeZone = {
  periodAt(instant: number): ZonePeriod;
};

/** Shorter than any time between two changes of one zone. */
const PROBE_MS = 7 * 86_400_000;

/** Most schedules: the runtime's data about zones, some 9 MB of memory, is read by the first one of another zone. */
const UTC = ['Etc/UTC', 'UTC'];

const zones = new Map<string, TimeZone>();

/** The zone of an IANA name; undefined when there is none of that name. */
export function findTimeZone(name: string): TimeZone | undefined {
  const known = zones.get(name);
  if (known) return known;
  // Node.js takes offsets such as +02:00 too, which are no zones: they know no change of clocks.
  if (/^[+-]/.test(name)) return undefined;
  const offsetAt = offsetReader(name);
  if (offsetAt === undefined) return undefined;
  const zone = createTimeZone(offsetAt);
  zones.set(name, zone);
  return zone;
}

function createTimeZone(offsetAt: (instant: number) => number): TimeZone {
  const years = new Map<number, ZonePeriod[]>();
  return {
    periodAt: (instant) => {
      const year = new Date(instant).getUTCFullYear();
      const periods = years.get(year) ?? periodsOfYear(offsetAt, year);
      years.set(year, periods);
      const period = periods.find(({ end }) => instant < end);
      if (period === undefined) throw new RangeError(`${instant} is not an instant`);
      return period;
    },
  };
}

/** Begins some days before the year, so that a change at its turn is seen from both sides. */
function periodsOfYear(offsetAt: (instant: number) => number, year: number): ZonePeriod[] {
  const periods: ZonePeriod[] = [];
  const end = Date.UTC(year + 1, 0, 1);
  let start = Date.UTC(year, 0, 1) - PROBE_MS;
  let offset = offsetAt(start);
  let seen = start;
  while (seen < end) {
    const probe = Math.min(seen + PROBE_MS, end);
    if (offsetAt(probe) === offset) {
      seen = probe;
      continue;
    }
    const change = findChange(offsetAt, seen, probe);
    periods.push({ start, end: change, offset });
    start = change;
    seen = change;
    offset = offsetAt(change);
  }
  if (start < end) periods.push({ start, end, offset });
  return periods;
}

/** The first whole second after `before` with another offset than `before` has; `after` has one. */
function findChange(offsetAt: (instant: number) => number, before: number, after: number): number {
  const offset = offsetAt(before);
  let low = before;
  let high = after;
  while (high - low > 1_000) {
    const middle = low + Math.floor((high - low) / 2_000) * 1_000;
    if (offsetAt(middle) === offset) low = middle;
    else high = middle;
  }
  return high;
}

function offsetReader(timeZone: string): ((instant: number) => number) | undefined {
  if (UTC.includes(timeZone)) return () => 0;
  const format = wallClockFormat(timeZone);
  if (format === undefined) return undefined;
  return (instant) => {
    const shown = { year: 0, month: 1, day: 1, hour: 0, minute: 0, second: 0 };
    for (const { type, value } of format.formatToParts(instant)) {
      if (type in shown) shown[type as keyof typeof shown] = Number(value);
    }
    const { year, month, day, hour, minute, second } = shown;
    return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(instant / 1_000) * 1_000;
  };
}

function wallClockFormat(timeZone: string): Intl.DateTimeFormat | undefined {
  try {
    return new Intl.DateTimeFormat('en-US', {
      timeZone,
      hourCycle: 'h23',
      ...{ year: 'numeric', month: 'numeric', day: 'numeric' },
      ...{ hour: 'numeric', minute: 'numeric', second: 'numeric' },
    });
  } catch {
    return undefined;
  }
}
