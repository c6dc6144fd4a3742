import { expect, test } from 'vitest';
import { createFigurePace } from '#src/controllers/run/figure-pace.ts';

/** So many runs that always have something to say, looked at whenever they asked to be, for so many seconds. */
function writesOf(runs: number, seconds: number) {
  const pace = createFigurePace();
  const due = new Map(Array.from({ length: runs }, (_, n) => [`run-${n}`, 0]));
  const written = new Map<string, number[]>();
  for (let now = 0; now < seconds * 1_000; now += 5) {
    for (const [uid, at] of due) {
      if (at > now) continue;
      const wait = pace.wait(uid, now);
      if (wait > 0) {
        due.set(uid, now + wait);
        continue;
      }
      pace.settle(uid, now, true);
      written.set(uid, [...(written.get(uid) ?? []), now]);
    }
  }
  return [...written.values()];
}

const gaps = (times: readonly number[]) => times.slice(1).map((at, n) => at - (times[n] ?? 0));

test('one run is written every two seconds', () => {
  const [times = []] = writesOf(1, 20);
  expect(times).toEqual([0, 2_000, 4_000, 6_000, 8_000, 10_000, 12_000, 14_000, 16_000, 18_000]);
});

test('sixty runs that move all the time are written as often as one', () => {
  for (const times of writesOf(60, 60)) expect(Math.max(...gaps(times))).toBeLessThan(2_600);
});

test('five hundred share what there is, in turn', () => {
  const all = writesOf(500, 120);
  expect(all.length).toBe(500);
  expect(all.flat().filter((at) => at >= 10_000 && at < 110_000).length).toBeGreaterThan(4_700);
  for (let second = 1; second < 120; second++) {
    const within = all.flat().filter((at) => at >= second * 1_000 && at < (second + 1) * 1_000);
    expect(within.length).toBeLessThan(50);
  }
  for (const times of all) {
    expect(Math.max(...gaps(times))).toBeLessThan(12_000);
    expect(Math.min(...gaps(times))).toBeGreaterThan(10_000);
  }
});

test('a run keeps its place however often it asks, and gives it up when there was nothing to write', () => {
  const pace = createFigurePace();
  for (let n = 0; n < 60; n++) pace.wait(`other-${n}`, 0);
  const wait = pace.wait('run', 0);
  expect(wait).toBeGreaterThan(500);
  expect(pace.wait('run', 100)).toBeCloseTo(wait - 100);
  expect(pace.wait('run', 5_000)).toBe(0);
  pace.settle('run', 5_000, false);
  expect(pace.wait('run', 5_000)).toBe(0);
  pace.settle('run', 5_000, true);
  expect(pace.wait('run', 5_001)).toBe(1_999);
  pace.forget('run');
  expect(pace.wait('run', 5_002)).toBe(0);
});
