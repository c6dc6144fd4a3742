import { getEventListeners } from 'node:events';
import { expect, it, vi } from 'vitest';
import { timeLimit } from '#src/crawler/time-limit.ts';

it('ends after its time with a TimeoutError', () => {
  vi.useFakeTimers();
  const limit = timeLimit(50, new AbortController().signal);
  vi.advanceTimersByTime(49);
  expect(limit.signal.aborted).toBe(false);
  vi.advanceTimersByTime(1);
  expect(limit.signal.reason).toMatchObject({ name: 'TimeoutError' });
  vi.useRealTimers();
});

it('ends with the signal around it, before and after it began', () => {
  const reason = new Error('enough');
  expect(timeLimit(50_000, AbortSignal.abort(reason)).signal.reason).toBe(reason);
  const outer = new AbortController();
  using limit = timeLimit(50_000, outer.signal);
  outer.abort(reason);
  expect(limit.signal.reason).toBe(reason);
});

it('leaves nothing behind', () => {
  vi.useFakeTimers();
  const outer = new AbortController();
  {
    using _ = timeLimit(50, outer.signal);
    expect([vi.getTimerCount(), getEventListeners(outer.signal, 'abort').length]).toEqual([1, 1]);
  }
  expect([vi.getTimerCount(), getEventListeners(outer.signal, 'abort').length]).toEqual([0, 0]);
  vi.useRealTimers();
});
