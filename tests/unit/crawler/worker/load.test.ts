// From two looks at counters to shares.
import { expect, it } from 'vitest';
import { type LoadSample, loadBetween } from '#src/crawler/worker/load.ts';

const before: LoadSample = {
  at: 10_000,
  cpus: 0.5,
  cpuMs: 4_000,
  groupStallMs: 700,
  mainThreadStallMs: 90,
  memoryStallMs: 30,
  memory: { used: 100, limit: 1_000 },
};

const after = (change: Partial<LoadSample>): LoadSample => ({ ...before, at: 12_000, ...change });

it('measures use against the limits, stalls against the time', () => {
  const sample = after({
    cpuMs: 4_800,
    groupStallMs: 1_700,
    memoryStallMs: 230,
    memory: { used: 600, limit: 1_000 },
  });
  expect(loadBetween(before, sample)).toEqual({ cpu: 0.8, cpuStall: 0.5, memory: 0.6, memoryStall: 0.1 });
});

it('takes a standstill of the main thread for one of the worker', () => {
  expect(loadBetween(before, after({ mainThreadStallMs: 1_590 })).cpuStall).toBe(0.75);
});

it('takes a limit that was changed meanwhile as it is now', () => {
  expect(loadBetween(before, after({ cpus: 2, cpuMs: 6_000 })).cpu).toBe(0.5);
});

it('is never below nothing, though counters begin anew in another group', () => {
  expect(loadBetween(before, after({ groupStallMs: 0, mainThreadStallMs: 0, memoryStallMs: 0 }))).toMatchObject({
    cpuStall: 0,
    memoryStall: 0,
  });
});
