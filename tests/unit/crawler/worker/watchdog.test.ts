// A worker that hangs is told from one that waits.
import { describe, expect, it } from 'vitest';
import type { WorkerStatus } from '#src/crawler/worker/heartbeat-messages.ts';
import { createWatchdog } from '#src/crawler/worker/watchdog.ts';

const status = (progress: number, pagesInFlight = 1): WorkerStatus => ({
  state: 'Crawling',
  currentUrl: 'http://a.example/slow',
  pagesInFlight,
  concurrency: 2,
  idleMs: 0,
  errors: 0,
  progress,
});

describe('the watchdog', () => {
  it('lets a worker live that makes progress, or has no pages open', () => {
    const watchdog = createWatchdog({ tickMs: 1_000, stallMs: 10_000 });
    for (let second = 0; second < 100; second++) {
      watchdog.report(second < 50 ? status(second) : status(49, 0));
      expect(watchdog.tick()).toBeUndefined();
    }
  });

  it('ends one whose pages stand still, and names the page', () => {
    const watchdog = createWatchdog({ tickMs: 1_000, stallMs: 10_000 });
    const reasons = Array.from({ length: 12 }, () => {
      watchdog.report(status(7));
      return watchdog.tick();
    });
    expect(reasons.slice(0, 10)).toEqual(Array(10).fill(undefined));
    expect(reasons[11]).toBe('1 pages are open without progress for 10 s, last at http://a.example/slow');
  });

  it('ends one whose main thread says nothing', () => {
    const watchdog = createWatchdog({ tickMs: 1_000, stallMs: 1_000_000 });
    watchdog.report(status(1));
    const reasons = Array.from({ length: 61 }, () => watchdog.tick());
    expect(reasons.slice(0, 60)).toEqual(Array(60).fill(undefined));
    expect(reasons[60]).toContain('main thread');
  });
});
