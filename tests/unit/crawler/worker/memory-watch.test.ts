// From the use of memory to what is done about it.
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { LOOK_EVERY_MS, memoryNeed, watchMemory } from '#src/crawler/worker/memory-watch.ts';

const use = (used: number) => ({ used, limit: 1_000 });

it.each([
  [0, 'None'],
  [799, 'None'],
  [800, 'FreshBrowser'],
  [899, 'FreshBrowser'],
  [900, 'FreshWorker'],
  [949, 'FreshWorker'],
  [950, 'Emergency'],
  [2_000, 'Emergency'],
])('at %i thousandths: %s', (used, need) => {
  expect(memoryNeed(use(used))).toBe(need);
});

beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] }));
afterEach(() => void vi.useRealTimers());

function watch(uses: readonly number[]): string[] {
  const seen: string[] = [];
  let look = 0;
  const watching = watchMemory(() => use(uses[look++] ?? 0), {
    freshBrowser: () => seen.push('browser'),
    freshWorker: ({ used }) => seen.push(`worker at ${used}`),
    emergency: () => seen.push('emergency'),
  });
  vi.advanceTimersByTime(LOOK_EVERY_MS * uses.length);
  watching.end();
  vi.advanceTimersByTime(10_000);
  return seen;
}

it('recycles the browser, and again only when that had time to help', () => {
  expect(watch(Array(100).fill(850))).toEqual(['browser']);
  expect(watch(Array(102).fill(850))).toEqual(['browser', 'browser']);
});

it('stops once, then ends the browser once if that does not help', () => {
  expect(watch([850, 920, 930, 850, 960, 990])).toEqual(['browser', 'worker at 920', 'emergency']);
});

it('does both at once when there is no time between', () => {
  expect(watch([100, 999, 999])).toEqual(['worker at 999', 'emergency']);
});
