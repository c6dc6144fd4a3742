// One look at the database's clock serves all workers that ask, and what they are told holds.
import { expect, it } from 'vitest';
import { createClock } from '#src/gateway/clock.ts';

const APART = 500_000;

/** A database whose clock is APART behind ours, and answers after so many milliseconds. */
function clockOf(tookMs: () => number) {
  let now = 1_000_000;
  let looks = 0;
  const read = createClock(
    async () => {
      looks++;
      const asked = now;
      const took = tookMs();
      now += took;
      return { asked, databaseNow: asked + took / 2 - APART };
    },
    () => now,
  );
  return {
    read,
    looks: () => looks,
    databaseNow: () => now - APART,
    pass(ms: number) {
      now += ms;
    },
  };
}

it('asks the database once for a thousand workers, and once more after three seconds', async () => {
  const { read, looks, pass } = clockOf(() => 0.5);
  await Promise.all(Array.from({ length: 1_000 }, read));
  expect(looks()).toBe(1);
  pass(2_900);
  await Promise.all(Array.from({ length: 1_000 }, read));
  expect(looks()).toBe(1);
  pass(200);
  await Promise.all(Array.from({ length: 1_000 }, read));
  expect(looks()).toBeLessThanOrEqual(3);
});

it.each([0.2, 3, 80])('says between which times the clock is, however slow the database answers: %f ms', async (ms) => {
  const { read, databaseNow, pass } = clockOf(() => ms);
  for (let second = 0; second < 10; second++) {
    const { now, moment } = await read();
    expect(now).toBeLessThanOrEqual(databaseNow());
    expect(moment).toBeGreaterThanOrEqual(databaseNow());
    expect(moment - now).toBeLessThan(ms + 1);
    pass(1_000);
  }
});

it('asks again after the database did not answer', async () => {
  let isAway = true;
  const { read, databaseNow } = clockOf(() => {
    if (isAway) throw new Error('away');
    return 0.5;
  });
  const first = read();
  await expect(Promise.all([first, read()])).rejects.toThrow('away');
  isAway = false;
  expect((await read()).now).toBeLessThanOrEqual(databaseNow());
});
