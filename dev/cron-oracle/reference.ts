// A slow, obvious reading of cron: walk through time step by step and look at the clock on the wall. What src/schedule
// is held against.

/** What a clock on the wall shows. */
export type Reading = {
  readonly second: number;
  readonly minute: number;
  readonly hour: number;
  readonly day: number;
  readonly month: number;
  /** 0 is Sunday. */
  readonly weekday: number;
  /** How many days the month has. */
  readonly monthDays: number;
  /** The reading in milliseconds, as if the clock showed UTC. */
  readonly serial: number;
};

const MINUTE_MS = 60_000;
const MONTHS = ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC'];
const WEEKDAYS = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT'];

const clocks = new Map<string, Intl.DateTimeFormat>();

function clockOf(timeZone: string): Intl.DateTimeFormat {
  const known = clocks.get(timeZone);
  if (known) return known;
  const clock = new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short', timeStyle: 'medium' });
  clocks.set(timeZone, clock);
  return clock;
}

/** What the clock of the zone shows at the instant, as if it showed UTC. */
export function wallClock(timeZone: string, instant: number): number {
  return Date.parse(`${clockOf(timeZone).format(instant).replace(' ', 'T')}Z`);
}

export function readingOf(serial: number): Reading {
  const date = new Date(serial);
  return {
    second: date.getUTCSeconds(),
    minute: date.getUTCMinutes(),
    hour: date.getUTCHours(),
    day: date.getUTCDate(),
    month: date.getUTCMonth() + 1,
    weekday: date.getUTCDay(),
    monthDays: new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate(),
    serial,
  };
}

/** Five or six fields, without macros and H. */
export type Expression = {
  matches(reading: Reading): boolean;
  /** The hour is named, so that each time of a day is due once. */
  readonly namesHours: boolean;
  /** Milliseconds between two instants at which a slot may be. */
  readonly step: number;
};

export function readExpression(text: string): Expression {
  const fields = text.split(' ');
  const [second = '', minute = '', hour = '', day = '', month = '', weekday = ''] =
    fields.length === 5 ? ['0', ...fields] : fields;
  const valuesOf = {
    second: values(second, 0, 59),
    minute: values(minute, 0, 59),
    hour: values(hour, 0, 23),
    month: values(month, 1, 12, MONTHS),
  };
  const isAny = (field: string) => field.split(',').some((part) => /^[*?](\/1)?$/.test(part));
  return {
    matches: (reading) => {
      if (!valuesOf.second.has(reading.second) || !valuesOf.minute.has(reading.minute)) return false;
      if (!valuesOf.hour.has(reading.hour) || !valuesOf.month.has(reading.month)) return false;
      const isDay = day.split(',').some((part) => isDayOfMonth(part, reading));
      const isWeekday = weekday.split(',').some((part) => isDayOfWeek(part, reading));
      return isAny(day) || isAny(weekday) ? isDay && isWeekday : isDay || isWeekday;
    },
    namesHours: !/[*?/]/.test(hour),
    step: fields.length === 5 ? MINUTE_MS : 1_000,
  };
}

/** The values that a field lists: numbers, names, ranges, steps, or all. */
function values(field: string, min: number, max: number, names: readonly string[] = []): Set<number> {
  const toNumber = (text: string) => {
    const index = names.indexOf(text.toUpperCase());
    return index === -1 ? Number(text) : index + min;
  };
  const found = new Set<number>();
  for (const part of field.split(',')) {
    const [range = '', step] = part.split('/');
    const [low = '', high] = range.split('-');
    const isAll = low === '*' || low === '?';
    const first = isAll ? min : toNumber(low);
    const last = high !== undefined ? toNumber(high) : isAll || step !== undefined ? max : first;
    for (let value = first; value <= last; value += Number(step ?? 1)) found.add(value);
  }
  return found;
}

function isDayOfMonth(part: string, reading: Reading): boolean {
  const { day, weekday, monthDays, serial } = reading;
  const isWorkday = weekday >= 1 && weekday <= 5;
  if (part === 'L') return day === monthDays;
  if (part === 'LW') {
    const laterDays = Array.from({ length: monthDays - day }, (_, index) =>
      readingOf(serial + (index + 1) * 86_400_000),
    );
    return isWorkday && laterDays.every((later) => later.weekday === 0 || later.weekday === 6);
  }
  if (!part.endsWith('W')) return values(part, 1, 31).has(day);
  const wanted = Number(part.slice(0, -1));
  if (!isWorkday || wanted > monthDays) return false;
  // The workday of this month that is the nearest to the wanted day.
  const distances = Array.from({ length: monthDays }, (_, index) => index + 1)
    .filter((other) => ![0, 6].includes(readingOf(serial + (other - day) * 86_400_000).weekday))
    .map((other) => Math.abs(other - wanted));
  return Math.abs(day - wanted) === Math.min(...distances);
}

function isDayOfWeek(part: string, { day, weekday, monthDays }: Reading): boolean {
  const weekdays = (text: string) => {
    // A range may end with a Sunday, which is then the seventh day.
    const listed = values(text.replace(/-SUN/i, '-7'), 0, 6, WEEKDAYS);
    return new Set([...listed].map((value) => value % 7));
  };
  if (part.includes('#')) {
    const [which = '', nth] = part.split('#');
    return weekdays(which).has(weekday) && Math.ceil(day / 7) === Number(nth);
  }
  if (part.endsWith('L')) return weekdays(part.slice(0, -1)).has(weekday) && day + 7 > monthDays;
  return weekdays(part).has(weekday);
}

/** What the clock of a zone shows from `start` on, step by step; instants and steps in milliseconds. */
export type Walk = { readonly start: number; readonly step: number; readonly readings: readonly Reading[] };

/** Both ends included. */
export function walk(timeZone: string, start: number, end: number, step: number): Walk {
  const readings = [];
  for (let instant = start; instant <= end; instant += step) readings.push(readingOf(wallClock(timeZone, instant)));
  return { start, step, readings };
}

/** The slots of the expression on the walk, without its first step. */
export function slotsOn({ start, step, readings }: Walk, expression: Expression): number[] {
  const slots: number[] = [];
  const shown = new Set<number>();
  for (const [index, reading] of readings.entries()) {
    const isAgain = shown.has(reading.serial);
    shown.add(reading.serial);
    const before = readings[index - 1];
    if (before === undefined) continue;
    const isDue = expression.matches(reading) && !(expression.namesHours && isAgain);
    const isDueSinceGap = expression.namesHours && jumpedOver(before, reading, step).some(expression.matches);
    if (isDue || isDueSinceGap) slots.push(start + index * step);
  }
  return slots;
}

/** The readings that the clock never showed between two steps. */
function jumpedOver(before: Reading, after: Reading, step: number): Reading[] {
  const readings = [];
  for (let serial = before.serial + step; serial < after.serial; serial += step) readings.push(readingOf(serial));
  return readings;
}
