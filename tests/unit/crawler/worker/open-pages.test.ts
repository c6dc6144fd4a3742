// How many pages a pod has open, from its size and from what they do to it.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Load } from '#src/crawler/worker/load.ts';
import {
  adapt,
  firstOpenPages,
  isAtEase,
  type OpenPages,
  startWith,
  strainOf,
} from '#src/crawler/worker/open-pages.ts';

const MIB = 2 ** 20;
const PLENTY = 2 ** 40;

it.each([
  ['what the spec says, where nothing is scarce', 4, 'Browser', { cpus: 2, memory: PLENTY }, 4],
  ['what processors carry', 256, 'Browser', { cpus: 2, memory: PLENTY }, 16],
  ['more by HTTP', 256, 'HTTP', { cpus: 2, memory: PLENTY }, 128],
  ['what memory carries', 256, 'Browser', { cpus: 16, memory: 2_048 * MIB }, 27],
  ['what memory carries by HTTP', 256, 'HTTP', { cpus: 16, memory: 512 * MIB }, 48],
  ['as few as the browser, where it may be needed', 256, 'Auto', { cpus: 0.5, memory: PLENTY }, 4],
  ['one in any case', 8, 'Browser', { cpus: 0.1, memory: 100 * MIB }, 1],
] as const)('begins with %s', (_, wanted, render, capacity, expected) => {
  expect(firstOpenPages(wanted, render, capacity)).toBe(expected);
});

const idle: Load = { cpu: 0.1, cpuStall: 0, memory: 0.3, memoryStall: 0 };

it.each([
  ['processors busy, nobody waiting', { cpu: 1, cpuStall: 0.3 }, undefined],
  ['processors busy, the worker standing still', { cpu: 0.95, cpuStall: 0.5 }, 'CPU'],
  ['standing still by the doing of others', { cpu: 0.2, cpuStall: 0.9 }, undefined],
  ['memory at the mark of a fresh browser', { memory: 0.8 }, 'Memory'],
  ['waiting for memory', { memoryStall: 0.2 }, 'Memory'],
  ['nothing', {}, undefined],
] as const)('%s', (_, load, strain) => {
  expect(strainOf({ ...idle, ...load })).toBe(strain);
});

const share = fc.double({ min: 0, max: 1, noNaN: true });
const anyLoad = fc.record({
  cpu: fc.double({ min: 0, max: 1.2, noNaN: true }),
  cpuStall: share,
  memory: share,
  memoryStall: share,
});
const strained: Load = { ...idle, memory: 0.85 };
const between: Load = { ...idle, memory: 0.75 };
const LOOK_MS = 2_000;
const circumstances = (most: number, isFull = true) => ({ most, isFull, elapsedMs: LOOK_MS });

it('is never strained and at ease at once', () => {
  fc.assert(fc.property(anyLoad, (load) => !(strainOf(load) !== undefined && isAtEase(load))));
});

describe('the number of open pages', () => {
  it('stays between one and the most, whatever happens', () => {
    const look = fc.record({ load: anyLoad, isFull: fc.boolean(), elapsedMs: fc.nat(100_000) });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 256 }), fc.array(look, { maxLength: 200 }), (most, looks) => {
        let now = startWith(most);
        for (const { load, ...rest } of looks) {
          const next = adapt(now, load, { most, ...rest });
          expect(Number.isInteger(next.open)).toBe(true);
          expect(next.open).toBeGreaterThanOrEqual(1);
          expect(next.open).toBeLessThanOrEqual(most);
          if (strainOf(load) !== undefined) expect(next.open).toBeLessThanOrEqual(Math.max(1, now.open - 1));
          else expect(next.open).toBeGreaterThanOrEqual(now.open);
          now = next;
        }
      }),
    );
  });

  it('falls by a quarter under a strain, at once', () => {
    const numbers = looks(startWith(64), Array(4).fill(strained), 64).map(({ open }) => open);
    expect(numbers).toEqual([48, 36, 27, 20]);
  });

  it('does not change while it is neither strained nor at ease', () => {
    expect(looks(startWith(8), Array(50).fill(between), 64).at(-1)?.open).toBe(8);
  });

  it('does not rise while places are free', () => {
    let now = startWith(8);
    for (let look = 0; look < 100; look++) now = adapt(now, idle, circumstances(64, false));
    expect(now.open).toBe(8);
  });

  it('comes back to the most within three minutes of ease, however few they were', () => {
    const numbers = looks(startWith(1), Array(90).fill(idle), 64).map(({ open }) => open);
    expect(numbers[1]).toBe(1);
    expect(numbers.at(-1)).toBe(64);
  });

  it('finds what a pod carries from above and from below, and then stays', () => {
    const most = 256;
    fc.assert(
      fc.property(fc.integer({ min: 1, max: most }), fc.integer({ min: 1, max: most }), (first, carried) => {
        const hour = Array.from({ length: 1_800 });
        let now = startWith(first);
        const numbers = hour.map(() => {
          now = adapt(now, now.open > carried ? strained : idle, circumstances(most));
          return now.open;
        });
        const settled = numbers.slice(300);
        // Never far below, and above for one look each time that it is tried.
        expect(Math.min(...settled)).toBeGreaterThanOrEqual(Math.floor((carried * 3) / 4));
        expect(Math.max(...settled)).toBeLessThanOrEqual(Math.max(carried + 1, Math.floor((carried * 9) / 8)));
        const tries = settled.filter((number) => number > carried).length;
        expect(tries).toBeLessThanOrEqual(Math.ceil(((settled.length * LOOK_MS) / 160_000) * 1.1) + 1);
      }),
      { numRuns: 300 },
    );
  });
});

/** What comes of one look after another. */
function looks(first: OpenPages, loads: readonly Load[], most: number): OpenPages[] {
  const seen: OpenPages[] = [];
  let now = first;
  for (const load of loads) {
    now = adapt(now, load, circumstances(most));
    seen.push(now);
  }
  return seen;
}
