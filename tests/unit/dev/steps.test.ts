// A plan of steps stops at the first failure, says what to do, and leaves nothing running.
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { type Action, runSteps } from '../../../dev/steps.ts';

const step = (title: string, run: Action['run']): Action => ({ title, timeoutSeconds: 5, fix: 'mend it', run });

test('a failure names its step and what to do, and ends the plan', async () => {
  const done: string[] = [];
  const steps = [
    step('first', async () => void done.push('first') as undefined),
    step('second', async () => {
      throw new Error('no disk');
    }),
    step('third', async () => void done.push('third') as undefined),
  ];
  await expect(runSteps(steps)).rejects.toThrow('second: no disk\n  What to do: mend it');
  expect(done).toEqual(['first']);
});

test('a step that takes too long is aborted', async () => {
  const slow = { ...step('slow', ({ signal }) => delay(60_000, undefined, { signal })), timeoutSeconds: 0.05 };
  await expect(runSteps([slow])).rejects.toThrow('slow: not done within 0.05 s');
});

test('a failure aborts the steps beside it and waits for their end', async () => {
  const events: string[] = [];
  const steps = [
    step('fails', async () => {
      throw new Error('no disk');
    }),
    step('beside', async ({ signal }) => {
      await delay(60_000, undefined, { signal }).catch(() => events.push('aborted'));
      await delay(20);
      events.push('cleaned up');
      return undefined;
    }),
  ];
  await expect(runSteps([{ title: 'both', concurrent: true, steps }])).rejects.toThrow('fails: no disk');
  expect(events).toEqual(['aborted', 'cleaned up']);
});
