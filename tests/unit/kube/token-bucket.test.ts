// Burst, rate and order of the token bucket, on a clock of the test.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createTokenBucket } from '#src/kube/token-bucket.ts';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

const { signal } = new AbortController();

test('a burst passes at once, the rest at the rate and in order', async () => {
  const bucket = createTokenBucket({ perSecond: 10, burst: 3 });
  const passed: [number, number][] = [];
  const startedAt = performance.now();
  for (let n = 0; n < 6; n += 1) void bucket.take(signal).then(() => passed.push([n, performance.now() - startedAt]));
  await vi.advanceTimersByTimeAsync(1_000);
  expect(passed).toEqual([
    [0, 0],
    [1, 0],
    [2, 0],
    [3, 100],
    [4, 200],
    [5, 300],
  ]);
});

test('never more than the burst is saved up', async () => {
  const bucket = createTokenBucket({ perSecond: 100, burst: 2 });
  await vi.advanceTimersByTimeAsync(60_000);
  expect([bucket.tryTake(), bucket.tryTake(), bucket.tryTake()]).toEqual([true, true, false]);
  expect(bucket.isFull()).toBe(false);
  await vi.advanceTimersByTimeAsync(20);
  expect(bucket.isFull()).toBe(true);
});

test('who gives up leaves the token to others', async () => {
  const bucket = createTokenBucket({ perSecond: 1, burst: 1 });
  await bucket.take(signal);
  const giveUp = new AbortController();
  const waiting = bucket.take(giveUp.signal);
  giveUp.abort(new Error('enough'));
  await expect(waiting).rejects.toThrow('enough');
  await vi.advanceTimersByTimeAsync(1_000);
  expect(bucket.tryTake()).toBe(true);
  await expect(bucket.take(giveUp.signal)).rejects.toThrow('enough');
  expect(vi.getTimerCount()).toBe(0);
});
