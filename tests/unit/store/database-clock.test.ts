// Waits by the database's clock, whatever the answers that carry it take.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { DatabaseClock } from '#src/store/database-clock.ts';

it('waits until the turn, not until the turn plus the delay of one answer', () => {
  let now = 1_000;
  const clock = new DatabaseClock(() => now);
  clock.observe(500_998); // under way for 2 ms, with clocks 500 s apart
  now = 1_080;
  clock.observe(501_040); // under way for 40 ms
  expect(clock.waitUntil(501_140)).toBe(62);
  expect(clock.waitUntil(501_000)).toBe(0);
});

it('knows how late answers come at worst, and takes an ordinary lateness for granted', () => {
  let now = 0;
  const clock = new DatabaseClock(() => now);
  expect([clock.isSet, clock.lateness()]).toEqual([false, 100]);
  for (let index = 0; index < 8; index += 1) clock.observe(-2);
  now = 100;
  clock.observe(90);
  expect([clock.isSet, clock.lateness()]).toEqual([true, 25]);
  clock.observe(10);
  expect(clock.lateness()).toBe(88);
});

it('follows clocks that drift apart', () => {
  let now = 0;
  const clock = new DatabaseClock(() => now);
  clock.observe(0);
  for (let index = 0; index < 70; index += 1) {
    now += 1_000;
    clock.observe(now - 30);
  }
  expect(clock.waitUntil(now - 30 + 10)).toBe(10);
});

it('spaces sends by the spacing of turns for any delays of answers that are shorter than the turn', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 25 }), { minLength: 2, maxLength: 30 }), (latencies) => {
      let now = 0;
      const clock = new DatabaseClock(() => now);
      clock.observe(-1);
      const sends = latencies.map((latency, index) => {
        const asked = index * 100;
        now = asked + latency;
        clock.observe(asked);
        return now + clock.waitUntil(asked + 25);
      });
      const gaps = sends.slice(1).map((send, index) => send - (sends[index] ?? 0));
      expect(new Set(gaps)).toEqual(new Set([100]));
    }),
  );
});
