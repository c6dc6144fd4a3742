// What is due, over random schedules, cursors, outages and policies: dueSlots says the same as a list of all slots does.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseCron, parseCronCached } from '#src/schedule/cron.ts';
import { type CatchUp, type Due, dueSlots, MISSED_COUNT_LIMIT, ON_TIME_SECONDS } from '#src/schedule/due.ts';
import { intervalTimetable, pastTimetable, type Timetable } from '#src/schedule/timetable.ts';

const SECOND = 1_000;
const HOUR = 3_600 * SECOND;

function cron(expression: string, timeZone: string, parse = parseCron): Timetable {
  const parsed = parse(expression, timeZone, 'seed');
  if (!parsed.ok) throw new Error(parsed.error.message);
  return parsed.timetable;
}

/** Within a week in which New York's clocks go back, and London's a week before. */
const instant = fc.date({ min: new Date('2026-10-24'), max: new Date('2026-11-03'), noInvalidDate: true });
const expressions = ['* * * * * *', '*/7 * * * *', '0 * * * *', '30 1,2 * * *', '0 0 * * MON', '15 0 3 11 *'];
const timetables = fc.oneof(
  fc
    .tuple(
      fc.constantFrom(...expressions),
      fc.constantFrom('Etc/UTC', 'America/New_York', 'Europe/London'),
      fc.constantFrom(parseCron, parseCronCached),
    )
    .map(([expression, timeZone, parse]) => cron(expression, timeZone, parse)),
  fc
    .tuple(fc.integer({ min: 1, max: 100_000 }), instant)
    .map(([seconds, anchor]) => intervalTimetable(seconds * SECOND, anchor)),
  fc.array(instant, { maxLength: 20 }).map(pastTimetable),
);
/** Minutes, hours or days that nobody looked. */
const outage = fc.oneof(...[60, 3_600, 48 * 3_600].map((max) => fc.integer({ min: -5, max: max * SECOND })));
const catchUp: fc.Arbitrary<CatchUp> = fc.record({
  policy: fc.constantFrom('Latest', 'All', 'None'),
  maxRuns: fc.integer({ min: 1, max: 120 }),
});
const deadline = fc.option(fc.oneof(fc.integer({ min: 1, max: 90 }), fc.integer({ min: 1, max: 200_000 })), {
  nil: undefined,
});

/** The same by listing every slot since the cursor and striking out what the policy does not let start. */
function dueByList(
  timetable: Timetable,
  { cursor, now, policy, maxRuns, startingDeadlineSeconds = Number.POSITIVE_INFINITY }: Case,
): Due {
  const all: Date[] = [];
  for (let slot = timetable.next(cursor); slot && slot <= now; slot = timetable.next(slot)) all.push(slot);
  const newest = all.at(-1);
  if (newest === undefined) return { slots: [], missed: 0 };
  const age = (slot: Date) => (now.getTime() - slot.getTime()) / SECOND;
  const wanted = policy === 'All' ? all.slice(-maxRuns) : [newest];
  const inTime = wanted.filter((slot) => age(slot) <= startingDeadlineSeconds);
  const isRefused = policy === 'None' && age(newest) > ON_TIME_SECONDS;
  const slots = isRefused ? [] : inTime;
  const oldest = slots[0] ?? newest;
  const missed = Math.min(all.filter((slot) => slot < oldest).length, MISSED_COUNT_LIMIT);
  if (slots.length > 0) return { slots, missed };
  const rule = inTime.length === 0 ? 'startingDeadlineSeconds' : 'catchUp';
  return { slots, missed, tooLate: { slot: newest, rule } };
}

type Case = {
  readonly cursor: Date;
  readonly now: Date;
  readonly policy: CatchUp['policy'];
  readonly maxRuns: number;
  readonly startingDeadlineSeconds?: number | undefined;
};

test('the slots that are due are those that a list of all slots has', () => {
  fc.assert(
    fc.property(timetables, instant, outage, catchUp, deadline, (timetable, cursor, away, policies, seconds) => {
      const now = new Date(cursor.getTime() + away);
      const startingDeadlineSeconds = seconds === undefined ? {} : { startingDeadlineSeconds: seconds };
      const due = dueSlots({ timetable, cursor, now, catchUp: policies, ...startingDeadlineSeconds });
      expect(due).toEqual(dueByList(timetable, { cursor, now, ...policies, ...startingDeadlineSeconds }));
    }),
    // Listing is slow for a schedule that is due every second; that there are few of those does no harm.
    { numRuns: 150 },
  );
});

test('looking often or seldom starts the same runs, when nothing is late', () => {
  const looks = fc.array(fc.integer({ min: 1, max: ON_TIME_SECONDS * SECOND }), { minLength: 1, maxLength: 60 });
  fc.assert(
    fc.property(timetables, instant, looks, catchUp, (timetable, start, pauses, policies) => {
      const started: Date[] = [];
      let cursor = start;
      let now = start;
      for (const pause of pauses) {
        now = new Date(now.getTime() + pause);
        const { slots } = dueSlots({ timetable, cursor, now, catchUp: { ...policies, policy: 'All', maxRuns: 120 } });
        started.push(...slots);
        cursor = slots.at(-1) ?? cursor;
      }
      const all: Date[] = [];
      for (let slot = timetable.next(start); slot && slot <= now; slot = timetable.next(slot)) all.push(slot);
      expect(started).toEqual(all);
    }),
    { numRuns: 100 },
  );
});

test('an interval has a slot at every multiple after its anchor, and nowhere else', () => {
  const seconds = fc.integer({ min: 1, max: 1_000_000 });
  fc.assert(
    fc.property(
      seconds,
      instant,
      fc.integer({ min: -100, max: 100 }),
      fc.integer(),
      (length, anchor, count, offset) => {
        const timetable = intervalTimetable(length * SECOND, anchor);
        const zero = Math.floor(anchor.getTime() / SECOND) * SECOND;
        const now = new Date(zero + count * length * SECOND + (offset % (HOUR * 24)));
        const all = Array.from({ length: 300 }, (_, index) => zero + (index + 1) * length * SECOND);
        const end = all.at(-1) ?? 0;
        fc.pre(now.getTime() < end);
        expect(timetable.next(now)?.getTime()).toBe(all.find((slot) => slot > now.getTime()));
        expect(timetable.latest(now)?.getTime()).toBe(all.findLast((slot) => slot <= now.getTime()));
      },
    ),
  );
});
