// The growth and the bounds of the wait between attempts.
import { expect, test } from 'vitest';
import { backoffMs } from '#src/kube/backoff.ts';

const bounds = { baseMs: 100, maxMs: 1_000 };

test('doubles up to the most, between half and all of it', () => {
  const longest = [1, 2, 3, 4, 5, 5000].map((failures) => backoffMs(failures, bounds, () => 1));
  expect(longest).toEqual([100, 200, 400, 800, 1_000, 1_000]);
  expect(backoffMs(3, bounds, () => 0)).toBe(200);
});
