// Waits by the database's clock, whatever the answers that carry it take.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { DatabaseClock, precisionFor } from '#src/gateway/protocol/database-clock.ts';

/** The database's clock is so far behind ours. */
const APART = 500_000;

/** An answer that came from one look at the database's clock. */
const at = (asked: number, databaseNow: number) => ({ asked, moment: databaseNow, now: databaseNow });

/** A clock, and a way to let an answer come: `there` ms on the way to the database, `within` ms in it, `back` ms back. */
function clockAndAnswers() {
  let now = 1_000_000;
  const clock = new DatabaseClock(() => now);
  return {
    clock,
    now: () => now,
    databaseNow: () => now - APART,
    pass(ms: number) {
      now += ms;
    },
    look(there: number, back: number) {
      const asked = now;
      now += there + back;
      clock.look(at(asked, asked + there - APART));
    },
    answer(there: number, within: number, back: number) {
      const asked = now;
      now += there + within + back;
      clock.observe({ asked, moment: asked + there - APART, now: asked + there + within - APART });
    },
  };
}

it('waits until the turn, not until the turn plus the delay of one answer', () => {
  const { clock, look, answer, now, databaseNow } = clockAndAnswers();
  look(0, 2);
  answer(10, 50, 40);
  expect(clock.window(databaseNow() + 100).from).toBeCloseTo(now() + 102, 1);
  expect(clock.window(databaseNow() - 100).from).toBeCloseTo(now() - 98, 1);
});

it('knows how late answers come at worst, and takes an ordinary lateness for granted', () => {
  const { clock, look, answer } = clockAndAnswers();
  expect(clock.lateness()).toBe(100);
  look(0, 0);
  for (let index = 0; index < 8; index += 1) answer(1, 1, 1);
  expect(clock.lateness()).toBe(25);
  answer(300, 60, 20);
  expect(clock.lateness()).toBeCloseTo(80, 1);
});

it.each([
  ['a page a second', [{ turn: 5, sendBy: 105 }], 20],
  ['the shortest of several places', [{ turn: 5, sendBy: 1_005 }, { turn: 5, sendBy: 45 }, { turn: 5 }], 8],
  ['places that last for a moment', [{ turn: 5, sendBy: 6 }], 1],
  ['places without end', [{ turn: 5 }], Number.POSITIVE_INFINITY],
  ['no places', [], Number.POSITIVE_INFINITY],
])('is to be known well enough for %s', (_, turns, precisionMs) => {
  expect(precisionFor(turns)).toBeCloseTo(precisionMs, 6);
});

it('is not looked at for what needs no clock, nor while answers tell enough', () => {
  const { clock, answer } = clockAndAnswers();
  expect(clock.needsLook(precisionFor([{ turn: 0 }]))).toBe(false);
  expect(clock.needsLook(20)).toBe(true);
  answer(9, 50, 9);
  expect(clock.needsLook(17)).toBe(true);
  expect(clock.needsLook(19)).toBe(false);
});

it('is looked at until it is known so well, and again when it is not any more', () => {
  const { clock, look, pass } = clockAndAnswers();
  look(5, 5);
  expect(clock.needsLook(2)).toBe(true);
  look(1, 0.5);
  expect(clock.needsLook(2)).toBe(false);
  pass(12_000);
  expect(clock.needsLook(2)).toBe(false);
  pass(1_000);
  expect(clock.needsLook(2)).toBe(true);
});

it('is not looked at for ever where it cannot be known so well', () => {
  const { clock, look, pass } = clockAndAnswers();
  const looksNow = () => {
    let looks = 0;
    for (; clock.needsLook(1); looks += 1) look(5, 5);
    return looks;
  };
  expect(looksNow()).toBe(20);
  pass(3_000);
  expect(looksNow()).toBe(1);
  pass(600_000);
  expect(looksNow()).toBe(20);
});

it('follows clocks that drift apart, and one that is set', () => {
  let now = 0;
  let databaseNow = 0;
  const clock = new DatabaseClock(() => now);
  for (let second = 0; second < 70; second += 1) {
    now += 1_000;
    databaseNow += 999.8;
    clock.look(at(now - 1, databaseNow - 0.5));
  }
  expect(Math.abs(clock.window(databaseNow).from - now)).toBeLessThan(6);
  databaseNow -= 60_000;
  clock.look(at(now - 1, databaseNow - 0.5));
  expect(clock.window(databaseNow).from - now).toBe(0.5);
});

it('leaves a place good for a moment, though nobody could use it surely in time', () => {
  const { clock, look, now, databaseNow } = clockAndAnswers();
  look(50, 50);
  const turn = databaseNow() + 10;
  expect(clock.window(turn, turn + 3)).toEqual({ from: now() + 60, by: now() + 61 });
});

it('says a window that is right by the database for any ways there and back, if it is wide enough', () => {
  const way = fc.integer({ min: 0, max: 8 });
  fc.assert(
    fc.property(fc.array(fc.tuple(way, way, way), { minLength: 1, maxLength: 30 }), (ways) => {
      const { clock, answer, databaseNow } = clockAndAnswers();
      for (const [there, within, back] of ways) {
        answer(there, within, back);
        const turn = databaseNow() + 5;
        const { from, by = 0 } = clock.window(turn, turn + 20);
        expect(from - APART).toBeGreaterThanOrEqual(turn);
        expect(by - APART).toBeLessThanOrEqual(turn + 20);
      }
    }),
  );
});

it('leaves most of a place to be used, once it is known as well as that needs', () => {
  const way = fc.integer({ min: 0, max: 20 });
  fc.assert(
    fc.property(fc.array(fc.tuple(way, way)), fc.integer({ min: 10, max: 2_000 }), (ways, delay) => {
      const { clock, look, databaseNow } = clockAndAnswers();
      for (const [there, back] of ways) look(there, back);
      const turn = databaseNow() + 5;
      const place = { turn, sendBy: turn + 0.1 * delay };
      if (clock.needsLook(precisionFor([place])) || ways.length >= 20) return;
      const { from, by = 0 } = clock.window(turn, place.sendBy);
      expect(from - APART).toBeGreaterThanOrEqual(turn);
      expect(by - from).toBeGreaterThanOrEqual(delay < 50 ? 0.99 : 0.0799 * delay);
      if (delay >= 20) expect(by - APART).toBeLessThanOrEqual(place.sendBy + 1e-6);
    }),
  );
});
