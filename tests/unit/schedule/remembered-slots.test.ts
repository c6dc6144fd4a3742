// A timetable that remembers says what it would say without, in whatever order it is asked.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { rememberingSlots } from '#src/schedule/remembered-slots.ts';
import { pastTimetable, type Timetable } from '#src/schedule/timetable.ts';

const at = (second: number) => new Date(second * 1_000);

/** Counts how often the next slot is looked for. */
function counting(timetable: Timetable): Timetable & { readonly looks: () => number } {
  let looks = 0;
  const next = (after: Date) => {
    looks += 1;
    return timetable.next(after);
  };
  return { next, latest: timetable.latest, looks: () => looks };
}

test('asked in any order, it gives the slots of the timetable', () => {
  const seconds = fc.integer({ min: 0, max: 40 });
  const slots = fc.uniqueArray(seconds, { minLength: 10, maxLength: 41 });
  /** How far the reader goes on from where it asked first. */
  const questions = fc.array(fc.tuple(seconds, fc.integer({ min: 1, max: 20 })), { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(slots, questions, (some, asked) => {
      const plain = pastTimetable(some.map(at));
      const remembering = rememberingSlots(plain);
      for (const [second, count] of asked) {
        let after: Date | undefined = at(second);
        for (let n = 0; n < count && after !== undefined; n += 1) {
          const slot = remembering.next(after);
          expect(slot).toEqual(plain.next(after));
          after = slot;
        }
      }
    }),
    { numRuns: 1_000 },
  );
});

test('schedules that are due together look for their slots once', () => {
  const timetable = counting(pastTimetable(Array.from({ length: 20 }, (_, n) => at(n * 100))));
  const remembering = rememberingSlots(timetable);
  for (const cursor of [at(50), at(60), at(99)]) {
    let slot = remembering.next(cursor);
    for (let n = 0; n < 5 && slot; n += 1) slot = remembering.next(slot);
  }
  expect(timetable.looks()).toBe(6);
});

test('one whose cursor is older finds the slot once more, and no other', () => {
  const timetable = counting(pastTimetable([at(100), at(200)]));
  const remembering = rememberingSlots(timetable);
  for (const cursor of [at(60), at(50)]) {
    expect(remembering.next(cursor)).toEqual(at(100));
    expect(remembering.next(at(100))).toEqual(at(200));
  }
  expect(timetable.looks()).toBe(3);
});
