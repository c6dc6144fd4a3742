// Which lanes a claim looks at that is made again while it waits.
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { type ClaimRequest, createWaitingClaims } from '#src/gateway/waiting-claims.ts';
import type { RunKey } from '#src/store/worker-calls.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const key: RunKey = 'sha256:1';
const never = new AbortController().signal;
const request = (dueFrom: number | null): ClaimRequest => ({
  ...{ workerId: 'w', slots: 1, latenessMs: 0, epoch: 0, held: null, server: null, waitMs: 10_000 },
  dueFrom,
});

/** Claims at a database where nothing comes to be due, which says that nothing is before 1000, 1001 and so on. */
function vainClaims() {
  const asked: { readonly dueFrom: number | null; readonly at: number }[] = [];
  const claims = createWaitingClaims({
    claim: async (_run, { dueFrom }) => {
      asked.push({ dueFrom, at: performance.now() });
      return JSON.stringify({ state: 'Wait', retryInMs: 250, isSeeded: true, dueFrom: 999 + asked.length });
    },
    outlooks: async (keys) =>
      keys.map(() => ({ mark: 'same', dueInMs: 0, isHeldBack: false, isEnding: false, isEmpty: false })),
    onLookFailed: (error) => {
      throw error;
    },
  });
  return { claims, asked };
}

it('looks where the last vain claim said, and at all lanes every two seconds', async () => {
  const { claims, asked } = vainClaims();
  const began = performance.now();
  const held = claims.claim({ key, workers: 1 }, request(null), never);
  await vi.advanceTimersByTimeAsync(10_000);
  const atAll = asked.filter(({ dueFrom }) => dueFrom === null).map(({ at }) => at - began);
  expect(atAll).toHaveLength(5);
  for (const [index, at] of atAll.entries()) {
    expect(at).toBeGreaterThanOrEqual(2_000 * index);
    expect(at).toBeLessThan(2_000 * index + 1_500);
  }
  for (const [index, { dueFrom }] of asked.entries()) expect([null, 999 + index]).toContain(dueFrom);
  expect(asked.length).toBeGreaterThan(20);
  expect(JSON.parse((await held).answer)).toEqual({ state: 'Wait', retryInMs: 0, dueFrom: 999 + asked.length });
});

it('asks first what the worker asks', async () => {
  const { claims, asked } = vainClaims();
  const held = claims.claim({ key, workers: 1 }, request(77), never);
  await vi.advanceTimersByTimeAsync(10_000);
  await held;
  expect(asked[0]?.dueFrom).toBe(77);
});
