import { expect, it } from 'vitest';
import { type Readiness, remembered } from '#src/telemetry/readiness.ts';

/** A check that answers as it is told, with a clock of the test's. */
function stage() {
  const clock = { now: 0 };
  const answers: (Readiness | Error)[] = [];
  let asked = 0;
  const check = remembered(
    async () => {
      asked += 1;
      const answer = answers.shift();
      if (answer instanceof Error) throw answer;
      return answer ?? true;
    },
    1_000,
    () => clock.now,
  );
  return { clock, answers, check, asked: () => asked };
}

it('asks once for probes that come while a good answer is fresh, and again after that', async () => {
  const { clock, check, asked } = stage();
  expect(await check()).toBe(true);
  clock.now = 999;
  expect(await check()).toBe(true);
  expect(asked()).toBe(1);
  clock.now = 1_000;
  await check();
  expect(asked()).toBe(2);
});

it('asks sooner after a bad answer', async () => {
  const { clock, answers, check, asked } = stage();
  answers.push('away');
  expect(await check()).toBe('away');
  clock.now = 199;
  expect(await check()).toBe('away');
  expect(asked()).toBe(1);
  clock.now = 200;
  expect(await check()).toBe(true);
});

it('asks anew after a check that failed', async () => {
  const { answers, check } = stage();
  answers.push(new Error('broken'));
  await expect(check()).rejects.toThrow('broken');
  expect(await check()).toBe(true);
});

it('lets probes that come at once share one answer', async () => {
  const { check, asked } = stage();
  await Promise.all([check(), check(), check()]);
  expect(asked()).toBe(1);
});
