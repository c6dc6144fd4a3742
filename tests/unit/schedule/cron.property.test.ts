// Any cron expression, in any zone, at any time: parseCron says the same as walking through time step by step.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseCron } from '#src/schedule/cron.ts';
import { findTimeZone } from '#src/schedule/time-zone.ts';
import type { Timetable } from '#src/schedule/timetable.ts';
import { readExpression, readingOf, slotsOn, type Walk, walk, wallClock } from '../../../dev/cron-oracle/reference.ts';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

function cron(expression: string, timeZone: string): Timetable {
  const parsed = parseCron(expression, timeZone, 'seed');
  if (!parsed.ok) throw new Error(parsed.error.message);
  return parsed.timetable;
}

/** Days on which clocks are changed, and what is special about them. */
const changes: readonly (readonly [zone: string, change: string, what: string])[] = [
  ['America/New_York', '2026-03-08T07:00:00Z', 'forward'],
  ['America/New_York', '2026-11-01T06:00:00Z', 'back'],
  ['Europe/London', '2026-03-29T01:00:00Z', 'forward'],
  ['Europe/London', '2026-10-25T01:00:00Z', 'back'],
  ['Australia/Lord_Howe', '2026-10-03T15:30:00Z', 'forward by half an hour'],
  ['Australia/Lord_Howe', '2026-04-04T15:00:00Z', 'back by half an hour'],
  ['America/Sao_Paulo', '2018-11-04T03:00:00Z', 'forward at midnight'],
  ['America/Sao_Paulo', '2018-02-18T02:00:00Z', 'back to the day before'],
  ['Africa/Cairo', '2026-04-23T22:00:00Z', 'forward at midnight'],
  ['Africa/Cairo', '2026-10-29T21:00:00Z', 'back to the day before'],
  ['Africa/Casablanca', '2026-02-15T02:00:00Z', 'back for Ramadan'],
  ['Africa/Casablanca', '2026-03-22T02:00:00Z', 'forward after Ramadan'],
  ['America/Nuuk', '2026-03-29T01:00:00Z', 'forward over midnight'],
  ['Antarctica/Troll', '2026-03-29T01:00:00Z', 'forward by two hours'],
  ['Pacific/Apia', '2011-12-30T10:00:00Z', 'forward by a day'],
  ['Asia/Pyongyang', '2018-05-04T15:00:00Z', 'forward by half an hour, for good'],
];

/** A number, a list, a range, a step: what a field of numbers can be. */
function field(min: number, max: number, names: readonly string[] = []): fc.Arbitrary<string> {
  const number = fc.integer({ min, max });
  const text = (value: number) => names[value - min] ?? String(value);
  const range = fc.tuple(number, number).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);
  const step = fc.integer({ min: 1, max: max - min });
  const single = number.map(text);
  const ranges = range.map(([low, high]) => `${text(low)}-${text(high)}`);
  return fc.oneof(
    { weight: 3, arbitrary: fc.constant('*') },
    { weight: 3, arbitrary: single },
    { weight: 1, arbitrary: ranges },
    { weight: 1, arbitrary: fc.tuple(range, step).map(([[low, high], every]) => `${low}-${high}/${every}`) },
    { weight: 1, arbitrary: step.map((every) => `*/${every}`) },
    { weight: 1, arbitrary: fc.tuple(number, step).map(([first, every]) => `${first}/${every}`) },
    {
      weight: 1,
      arbitrary: fc.array(fc.oneof(single, ranges), { minLength: 2, maxLength: 3 }).map((all) => all.join()),
    },
  );
}

const MONTHS = ['JAN', 'feb', 'Mar', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC'];
const WEEKDAYS = ['SUN', 'mon', 'Tue', 'WED', 'THU', 'FRI', 'SAT'];
/** Mostly the hours in which clocks are changed. */
const hour = fc.oneof({ weight: 3, arbitrary: field(0, 4) }, { weight: 2, arbitrary: field(0, 23) });
const mostly = (usual: string, other: fc.Arbitrary<string>) =>
  fc.oneof({ weight: 3, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: other });
const dayOfMonth = fc.oneof(field(1, 31), fc.constantFrom('L', 'LW', '1W', '15W', '31W', '?', '*/1', '13,L'));
const month = field(1, 12, MONTHS);
const dayOfWeek = fc.oneof(
  field(0, 6, WEEKDAYS),
  fc.constantFrom('7', 'FRI-SUN', '5-7', '1#1', 'FRI#3', '2#5', '5L', 'SUNL', '?', 'MON,THU#2'),
);
const minutes = field(0, 59);
const timeOfDay = fc.tuple(minutes, hour).map((fields) => fields.join(' '));
const dates = fc.tuple(dayOfMonth, month, dayOfWeek).map((fields) => fields.join(' '));
const mostlyAnyDate = fc.tuple(mostly('*', dayOfMonth), mostly('*', month), mostly('*', dayOfWeek));
const fiveFields = fc.tuple(timeOfDay, mostlyAnyDate).map(([time, date]) => `${time} ${date.join(' ')}`);
const sixFields = fc.tuple(field(0, 59), fiveFields).map((fields) => fields.join(' '));

/** An expression that can never be due, such as for 30 February, is refused, and rightly; it says nothing here. */
function isDueEver(expression: string): boolean {
  const parsed = parseCron(expression, 'Etc/UTC', 'seed');
  if (!parsed.ok && !parsed.error.message.endsWith('is never due')) throw new Error(parsed.error.message);
  return parsed.ok;
}

/** Asks around the given instant, and around the slots next to it, and compares with all slots of the walk. */
function expectSlots(
  timetable: Timetable,
  all: readonly number[],
  { start, step, readings }: Walk,
  near: number,
): void {
  const end = start + (readings.length - 1) * step;
  const slot = all.find((one) => one >= near) ?? near;
  for (const instant of [near, slot - SECOND, slot - 1, slot, slot + 1]) {
    const next = timetable.next(new Date(instant))?.getTime() ?? Number.POSITIVE_INFINITY;
    const expectedNext = all.find((one) => one > instant);
    expect(next > end ? undefined : next, `next(${new Date(instant).toISOString()})`).toBe(expectedNext);
    const latest = timetable.latest(new Date(instant))?.getTime() ?? Number.NEGATIVE_INFINITY;
    const expectedLatest = all.findLast((one) => one <= instant);
    expect(latest <= start ? undefined : latest, `latest(${new Date(instant).toISOString()})`).toBe(expectedLatest);
  }
}

describe.each(changes)('when clocks change in %s at %s: %s', (timeZone, changesAt, _what) => {
  const change = Date.parse(changesAt);

  test('five fields are due as on a walk, minute by minute', () => {
    const steps = walk(timeZone, change - 13 * HOUR, change + 13 * HOUR, MINUTE);
    const within = fc.integer({ min: -12 * HOUR, max: 12 * HOUR });
    fc.assert(
      fc.property(fiveFields.filter(isDueEver), within, (expression, offset) => {
        const all = slotsOn(steps, readExpression(expression));
        expectSlots(cron(expression, timeZone), all, steps, change + offset);
      }),
      { numRuns: 40 },
    );
  });

  test('six fields are due as on a walk, second by second', () => {
    const steps = walk(timeZone, change - 1.2 * HOUR, change + 1.2 * HOUR, SECOND);
    const within = fc.integer({ min: -HOUR, max: HOUR });
    fc.assert(
      fc.property(sixFields.filter(isDueEver), within, (expression, offset) => {
        const all = slotsOn(steps, readExpression(expression));
        expectSlots(cron(expression, timeZone), all, steps, change + offset);
      }),
      { numRuns: 15 },
    );
  });
});

describe('dates', () => {
  const zones = fc.constantFrom('Etc/UTC', 'America/New_York', 'Pacific/Auckland', 'Asia/Kathmandu');
  /** Leap days and year ends; 2100 has no leap day. */
  const spans = fc.constantFrom(['2023-12-01', '2029-03-01'], ['2095-12-01', '2104-03-01']);
  const atMost = 60;

  test('the days that an expression names are the days of a walk, day by day, there and back', () => {
    fc.assert(
      fc.property(dates, zones, spans, (date, timeZone, [first = '', last = '']) => {
        const expression = `30 12 ${date}`;
        fc.pre(isDueEver(expression));
        const from = Date.parse(`${first}T12:30Z`);
        const to = Date.parse(`${last}T12:30Z`);
        const isWithin = (noon: number) => noon >= from && noon <= to;
        const days = Array.from({ length: (to - from) / DAY + 1 }, (_, index) => readingOf(from + index * DAY));
        const expected = days.filter(readExpression(expression).matches).map(({ serial }) => serial);

        const timetable = cron(expression, timeZone);
        const there = slotsInTurn(timetable.next(new Date(from - DAY)), timetable.next);
        const back = slotsInTurn(timetable.latest(new Date(to + DAY)), (slot) => timetable.latest(before(slot)));
        const noons = (slots: readonly Date[]) =>
          slots.map((slot) => wallClock(timeZone, slot.getTime())).filter(isWithin);
        expect(noons(there)).toEqual(expected.slice(0, noons(there).length));
        expect(noons(back)).toEqual(expected.toReversed().slice(0, noons(back).length));
        expect(noons(there).length).toBeGreaterThanOrEqual(Math.min(expected.length, atMost - 2));
        expect(noons(back).length).toBeGreaterThanOrEqual(Math.min(expected.length, atMost - 2));
      }),
      { numRuns: 100 },
    );
  });

  function slotsInTurn(first: Date | undefined, following: (slot: Date) => Date | undefined): Date[] {
    const slots: Date[] = [];
    for (let slot = first; slot && slots.length < atMost; slot = following(slot)) slots.push(slot);
    return slots;
  }
  const before = (slot: Date) => new Date(slot.getTime() - SECOND);
});

test('a zone is as far from UTC as its wall clock says, at any time of a hundred years', () => {
  const zones = [...Intl.supportedValuesOf('timeZone'), ...Array<string>(100).fill('Africa/Casablanca')];
  const instant = fc.integer({ min: Date.parse('1971-01-01') / SECOND, max: Date.parse('2070-01-01') / SECOND });
  fc.assert(
    fc.property(fc.constantFrom(...zones), instant, (timeZone, second) => {
      const period = findTimeZone(timeZone)?.periodAt(second * SECOND);
      expect(period?.offset).toBe(wallClock(timeZone, second * SECOND) - second * SECOND);
      expect(period?.start).toBeLessThanOrEqual(second * SECOND);
      expect(period?.end).toBeGreaterThan(second * SECOND);
    }),
    { numRuns: 1_000 },
  );
});

test('next and latest agree with each other, in every zone and at every time', () => {
  const zone = fc.constantFrom(...Intl.supportedValuesOf('timeZone'));
  const instant = fc.date({ min: new Date('1971-01-01'), max: new Date('2070-01-01'), noInvalidDate: true });
  fc.assert(
    fc.property(fc.oneof(fiveFields, sixFields).filter(isDueEver), zone, instant, (expression, timeZone, now) => {
      const timetable = cron(expression, timeZone);
      const next = timetable.next(now);
      const latest = timetable.latest(now);
      if (next === undefined || latest === undefined) throw new Error('the expression ends');
      expect(latest.getTime()).toBeLessThanOrEqual(now.getTime());
      expect(next.getTime()).toBeGreaterThan(now.getTime());
      expect(next.getTime() % SECOND).toBe(0);
      expect(timetable.latest(next)).toEqual(next);
      expect(timetable.latest(new Date(next.getTime() - 1))).toEqual(latest);
      expect(timetable.next(latest)).toEqual(next);
      expect(timetable.next(new Date(latest.getTime() - 1))).toEqual(latest);
    }),
    { numRuns: 200 },
  );
});
