// A worker that hangs is told from one that waits.
import { describe, expect, it } from 'vitest';
import type { WorkerStatus } from '#src/crawler/worker/heartbeat-messages.ts';
import { createWatchdog, type Stall } from '#src/crawler/worker/watchdog.ts';

const TICK_MS = 1_000;

const status = (progress: number, more: Partial<WorkerStatus> = {}): WorkerStatus => ({
  state: 'Crawling',
  currentUrl: 'http://a.example/slow',
  pagesInFlight: 1,
  concurrency: 2,
  idleMs: 0,
  errors: 0,
  progress,
  waitMs: 0,
  open: [],
  ...more,
});

/** What the watchdog says in each second, of a main thread that reports what `at` gives, or nothing. */
function watch(
  stallMs: number,
  seconds: number,
  at: (second: number) => WorkerStatus | undefined,
): (Stall | undefined)[] {
  const watchdog = createWatchdog({ tickMs: TICK_MS, stallMs });
  return Array.from({ length: seconds }, (_, second) => {
    const now = at(second);
    if (now !== undefined) watchdog.report(now);
    return watchdog.tick();
  });
}

const alwaysWell = Array(100).fill(undefined);

describe('the watchdog', () => {
  it.each<[string, (second: number) => WorkerStatus]>([
    ['makes progress', (second) => status(second)],
    ['has no pages open', () => status(49, { pagesInFlight: 0 })],
    ['waits for a host whose turns are minutes apart', (second) => status(7, { waitMs: (99 - second) * TICK_MS })],
    ['waits for such a host again and again', (second) => status(7, { waitMs: (second % 9) * TICK_MS })],
    ['writes the output', (second) => status(second, { state: 'Writing', pagesInFlight: 0 })],
  ])('lets a worker live that %s', (_, at) => {
    expect(watch(10_000, 100, at)).toEqual(alwaysWell);
  });

  it.each<[string, (second: number) => WorkerStatus]>([
    ['pages stand still', () => status(7)],
    ['pages stand still when a wait is over', (second) => status(7, { waitMs: second === 0 ? 1 : 0 })],
    ['output cannot be written', () => status(7, { state: 'Writing', pagesInFlight: 0 })],
  ])('ends one whose %s', (_, at) => {
    const stalls = watch(10_000, 12, at);
    expect(stalls.slice(0, 10)).toEqual(Array(10).fill(undefined));
    expect(stalls[11]).toEqual({ kind: 'Idle', ms: 10_000 });
  });

  it.each([
    [1_000_000, 60],
    [10_000, 10],
  ])('ends one whose main thread says nothing, with a stall time-out of %i ms after %i s', (stallMs, seconds) => {
    const stalls = watch(stallMs, seconds + 1, (second) => (second === 0 ? status(1) : undefined));
    expect(stalls.slice(0, seconds)).toEqual(Array(seconds).fill(undefined));
    expect(stalls[seconds]).toEqual({ kind: 'Blocked', ms: seconds * 1_000 });
  });
});
