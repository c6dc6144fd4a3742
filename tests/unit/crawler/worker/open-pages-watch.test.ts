// From the kernel's counters to places for pages.
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { LoadSample } from '#src/crawler/worker/load.ts';
import { watchOpenPages } from '#src/crawler/worker/open-pages-watch.ts';
import { crawlRunSpec } from '#src/resources/crawl-run.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] }));
afterEach(() => void vi.useRealTimers());

const LOOK_MS = 2_000;

/** A worker with four places whose group uses a share of its memory that the test can change. */
function watch() {
  const group = { memory: 0.5 };
  const read = (): LoadSample => ({
    at: performance.now(),
    cpus: 2,
    cpuMs: 0,
    groupStallMs: 0,
    mainThreadStallMs: 0,
    memoryStallMs: 0,
    memory: { used: group.memory * 2 ** 40, limit: 2 ** 40 },
  });
  const source = { name: 'site', urls: ['http://site.test/'] };
  const told: number[] = [];
  const spec = crawlRunSpec.parse({ sources: [source], concurrency: 4 });
  const slots = watchOpenPages(spec, read, pino({ level: 'silent' }), (pages) => told.push(pages));
  return { group, slots, told };
}

it('takes places away under a strain, and gives them back one by one', () => {
  const { group, slots, told } = watch();
  slots.taken(4);
  group.memory = 0.85;
  vi.advanceTimersByTime(LOOK_MS);
  expect(slots.open()).toBe(3);
  slots.taken(3);
  group.memory = 0.5;
  vi.advanceTimersByTime(60_000);
  expect(slots.open()).toBe(4);
  expect(told).toEqual([4, 3, 4]);
  slots.end();
});

it('waits for pages that are still open before it takes more places away', () => {
  const { group, slots } = watch();
  slots.taken(4);
  group.memory = 0.85;
  vi.advanceTimersByTime(10 * LOOK_MS);
  expect(slots.open()).toBe(3);
  slots.taken(3);
  vi.advanceTimersByTime(LOOK_MS);
  expect(slots.open()).toBe(2);
  slots.end();
});

it('gives no places back that nobody asks for, and does nothing after its end', () => {
  const { group, slots } = watch();
  slots.taken(4);
  group.memory = 0.85;
  vi.advanceTimersByTime(LOOK_MS);
  slots.taken(1);
  group.memory = 0.5;
  vi.advanceTimersByTime(60_000);
  expect(slots.open()).toBe(3);
  slots.end();
  slots.taken(3);
  vi.advanceTimersByTime(60_000);
  expect(slots.open()).toBe(3);
});
