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
  const held = claims.claim({ key, workers: 1 }, request(null), { ms: 0 }, never);
  await vi.advanceTimersByTimeAsync(10_000);
  const atAll = asked.filter(({ dueFrom }) => dueFrom === null).map(({ at }) => at - began);
  expect(atAll).toHaveLength(5);
  for (const [index, at] of atAll.entries()) {
    expect(at).toBeGreaterThanOrEqual(2_000 * index);
    expect(at).toBeLessThan(2_000 * index + 1_500);
  }
  for (const [index, { dueFrom }] of asked.entries()) expect([null, 999 + index]).toContain(dueFrom);
  expect(asked.length).toBeGreaterThan(20);
  expect(JSON.parse(await held)).toEqual({ state: 'Wait', retryInMs: 0, dueFrom: 999 + asked.length });
});

it('asks first what the worker asks', async () => {
  const { claims, asked } = vainClaims();
  const held = claims.claim({ key, workers: 1 }, request(77), { ms: 0 }, never);
  await vi.advanceTimersByTimeAsync(10_000);
  await held;
  expect(asked[0]?.dueFrom).toBe(77);
});

it.each([
  ['is answered without work', 'Wait'],
  ['fails in the end', 'Error'],
])('tells how long a claim was held that %s', async (_, end) => {
  let tries = 0;
  const claims = createWaitingClaims({
    claim: async () => {
      if (end === 'Error' && ++tries > 1) throw new Error('no connection');
      return JSON.stringify({ state: 'Wait', retryInMs: 250, isSeeded: true, dueFrom: null });
    },
    outlooks: async (keys) =>
      keys.map(() => ({ mark: 'same', dueInMs: null, isHeldBack: false, isEnding: false, isEmpty: false })),
    onLookFailed: () => {},
  });
  const held = { ms: 0 };
  const ended = claims.claim({ key, workers: 1 }, request(null), held, never).catch((error: Error) => error.message);
  await vi.advanceTimersByTimeAsync(3_000);
  if (end === 'Wait') claims.drain();
  else claims.stir(key, 1);
  await vi.advanceTimersByTimeAsync(3_000);
  expect(await ended).toMatch(end === 'Wait' ? /"Wait"/ : /no connection/);
  expect(held.ms).toBeGreaterThanOrEqual(3_000);
});

/** A run with so much work, where nothing comes to be due by the clock unless `dueInMs` says so. */
function frontier() {
  const state = { work: 0, tries: 0, looks: 0, dueInMs: null as number | null };
  const claims = createWaitingClaims({
    claim: async () => {
      state.tries++;
      if (state.work === 0) return JSON.stringify({ state: 'Wait', retryInMs: 250, isSeeded: true, dueFrom: null });
      state.work--;
      return JSON.stringify({ state: 'Claimed', claims: [] });
    },
    outlooks: async (keys) => {
      if (state.dueInMs === 0) state.looks++;
      return keys.map(() => ({
        mark: 'same',
        dueInMs: state.dueInMs,
        isHeldBack: false,
        isEnding: false,
        isEmpty: false,
      }));
    },
    onLookFailed: (error) => {
      throw error;
    },
  });
  const claimed: string[] = [];
  const claim = (workerId: string) =>
    claims.claim({ key, workers: 10 }, { ...request(null), workerId }, { ms: 0 }, never).then((answer) => {
      if (answer.includes('Claimed')) claimed.push(workerId);
    });
  return { state, claims, claim, claimed };
}

/** Five workers have come, and nothing was there for them. */
async function fiveThatWait() {
  const scene = frontier();
  const waiting = ['a', 'b', 'c', 'd', 'e'].map((worker) => scene.claim(worker));
  await vi.advanceTimersByTimeAsync(1_000);
  scene.state.tries = 0;
  return { ...scene, waiting };
}

it('wakes as many as a call has brought work for, in their order, and nobody in vain', async () => {
  const { state, claims, claimed } = await fiveThatWait();
  state.work = 1;
  claims.stir(key, 1);
  await vi.advanceTimersByTimeAsync(1_000);
  expect([claimed, state.tries]).toEqual([['a'], 1]);
  state.work = 2;
  claims.stir(key, 2);
  await vi.advanceTimersByTimeAsync(1_000);
  expect([claimed, state.tries]).toEqual([['a', 'b', 'c'], 3]);
  claims.stir(key, 0);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(state.tries).toBe(3);
});

it('wakes one after the other while a look shows that something is due', async () => {
  const { state, claimed } = await fiveThatWait();
  [state.work, state.dueInMs] = [5, 0];
  await vi.advanceTimersByTimeAsync(150);
  expect([claimed, state.tries]).toEqual([['a', 'b', 'c', 'd', 'e'], 5]);
});

it('finds what a call promised less of than there is with the next look', async () => {
  const { state, claims, claimed } = await fiveThatWait();
  [state.work, state.dueInMs] = [3, 0];
  claims.stir(key, 1);
  await vi.advanceTimersByTimeAsync(150);
  expect(claimed).toEqual(['a', 'b', 'c']);
});

it('lets a worker that it knows queue up behind those that wait, and asks the database for one that it does not', async () => {
  const { state, claims, claim, claimed } = await fiveThatWait();
  state.work = 1;
  claims.stir(key, 1);
  await vi.advanceTimersByTimeAsync(10);
  state.tries = 0;
  void claim('a');
  await vi.advanceTimersByTimeAsync(10);
  expect(state.tries).toBe(0);
  void claim('stranger');
  await vi.advanceTimersByTimeAsync(10);
  expect(state.tries).toBe(1);
  state.work = 5;
  claims.stir(key, 5);
  await vi.advanceTimersByTimeAsync(10);
  expect(claimed).toEqual(['a', 'b', 'c', 'd', 'e', 'a']);
});

it('leaves what is due to the gateway that has brought it, and takes what is still there with the next look', async () => {
  const { state, claimed } = await fiveThatWait();
  state.dueInMs = 0;
  await vi.waitUntil(() => state.looks > 0, { interval: 1, timeout: 10_000 });
  // A worker of the other gateway has it.
  state.dueInMs = null;
  await vi.advanceTimersByTimeAsync(1_000);
  expect(state.tries).toBe(0);
  [state.work, state.dueInMs] = [1, 0];
  await vi.advanceTimersByTimeAsync(150);
  expect(claimed).toEqual(['a']);
});

it('looks at the runs in which something has happened, and at all of them ten times a second', async () => {
  const asked: RunKey[][] = [];
  const claims = createWaitingClaims({
    claim: async () => JSON.stringify({ state: 'Wait', retryInMs: 250, isSeeded: true, dueFrom: null }),
    outlooks: async (keys) => {
      asked.push([...keys]);
      return keys.map(() => ({ mark: 'same', dueInMs: null, isHeldBack: false, isEnding: false, isEmpty: false }));
    },
    onLookFailed: (error) => {
      throw error;
    },
  });
  const others: RunKey[] = ['sha256:2', 'sha256:3'];
  for (const run of [key, ...others]) void claims.claim({ key: run, workers: 1 }, request(null), { ms: 0 }, never);
  await vi.advanceTimersByTimeAsync(1_000);
  asked.length = 0;
  for (let round = 0; round < 20; round++) {
    claims.stir(key, 1);
    await vi.advanceTimersByTimeAsync(50);
  }
  expect(asked.filter((keys) => keys.length === 3).length).toBeLessThanOrEqual(10);
  expect(asked.filter((keys) => keys.length === 3).length).toBeGreaterThanOrEqual(8);
  expect(asked.filter((keys) => keys.length < 3).flat()).not.toContain('sha256:2');
  expect(asked.filter((keys) => keys.length === 1).length).toBeGreaterThanOrEqual(5);
  claims.drain();
});
