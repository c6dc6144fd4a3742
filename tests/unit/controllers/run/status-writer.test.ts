// The writer of statuses against an API server that has no room for them, or takes them too often.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createFigurePace, FIGURES_INTERVAL_MS } from '#src/controllers/run/figure-pace.ts';
import type { RunObservation } from '#src/controllers/run/run-status.ts';
import { createStatusWriter } from '#src/controllers/run/status-writer.ts';
import type { CrawlRun } from '#src/custom-resources/types.ts';
import { KubeError } from '#src/kube/kube-error.ts';
import type { CrawlRunStatus } from '#src/resources/crawl-run.ts';
import type { RunSnapshot } from '#src/store/operator-store.ts';
import { createLogger } from '#src/telemetry/logger.ts';

const NOW = new Date('2026-01-01T12:00:30Z');
const signal = new AbortController().signal;

const start: CrawlRun = {
  apiVersion: 'trawler.dev/v1alpha1',
  kind: 'CrawlRun',
  metadata: { name: 'shop-1', namespace: 'default', uid: 'uid', resourceVersion: '1', generation: 1 },
  spec: { sources: [{ name: 'shop', urls: ['http://shop.example/'] }] },
};

function seenWith(succeeded: number, change: Partial<RunSnapshot> = {}): RunObservation {
  const progress = { total: 9, queued: 0, leased: 0, succeeded, failed: 0, skipped: 0, items: succeeded };
  const snapshot: RunSnapshot = {
    ...{
      runId: 'uid',
      namespace: 'default',
      name: 'shop-1',
      state: 'Running',
      acceptedAt: NOW,
      startedAt: NOW,
      seeded: true,
    },
    ...{
      progress,
      sources: [{ name: 'shop', active: true, progress }],
      workers: [],
      blockedHosts: [],
      sharedHosts: [],
      spiderTraps: [],
    },
    ...{
      errors: 0,
      pausedMs: 0,
      terminates: false,
      isUnderReview: false,
      skipReasons: {},
      itemsLeftOut: {},
      fieldCounts: {},
      partialPages: {},
      failureCauses: {},
    },
    ...change,
  };
  return { pods: [], snapshot };
}

/** An API server that refuses statuses of more than so many bytes. */
function server(room = Number.POSITIVE_INFINITY) {
  let run = start;
  const written: CrawlRunStatus[] = [];
  const patch = vi.fn(async (_ref: unknown, { body }: { body: object }) => {
    const { status } = body as { status: CrawlRunStatus };
    const kept = Object.entries({ ...run.status, ...status }).filter(([, value]) => value !== null);
    const next = Object.fromEntries(kept) as CrawlRunStatus;
    if (JSON.stringify(next).length > room) {
      throw new KubeError({ status: 500, reason: 'Unknown', message: 'etcdserver: request is too large' });
    }
    run = { ...run, status: next };
    written.push(next);
    return run;
  });
  const runCache = { subscribe: () => () => undefined, observe: () => undefined };
  const logger = createLogger('test', 'fatal');
  const options = { runs: { patch }, runCache, pace: createFigurePace(), now: () => NOW, logger };
  const { write } = createStatusWriter(options as unknown as Parameters<typeof createStatusWriter>[0]);
  return { written, patch, write: (seen: RunObservation) => write(run, seen, signal) };
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

describe('figures', () => {
  test('are written no more often than every two seconds', async () => {
    const { written, write } = server();
    expect(await write(seenWith(1))).toBeUndefined();
    expect(await write(seenWith(2))).toBe(FIGURES_INTERVAL_MS);
    vi.advanceTimersByTime(500);
    expect(await write(seenWith(3))).toBe(FIGURES_INTERVAL_MS - 500);
    vi.advanceTimersByTime(1_500);
    expect(await write(seenWith(4))).toBeUndefined();
    expect(written.map((status) => status.progress?.succeeded)).toEqual([1, 4]);
  });

  test('are not waited for by an end', async () => {
    const { written, write } = server();
    await write(seenWith(1));
    await write(seenWith(9, { state: 'Finished', finishedAt: NOW, outcome: 'Succeeded' }));
    expect(written.map((status) => status.phase)).toEqual(['Running', 'Succeeded']);
  });

  test('that have not changed are not written', async () => {
    const { patch, write } = server();
    await write(seenWith(1));
    vi.advanceTimersByTime(10_000);
    await write(seenWith(1));
    expect(patch).toHaveBeenCalledTimes(1);
  });
});

describe('a status that does not fit', () => {
  const traps = Array.from({ length: 20 }, (_, n) => {
    return { kind: 'Calendar' as const, pattern: `${n} ${'x'.repeat(400)}`, url: 'http://shop.example/' };
  });

  test('is written without its lists, and from then on at once', async () => {
    const { written, patch, write } = server(4_000);
    await write(seenWith(1, { spiderTraps: traps }));
    expect(written[0]?.spiderTraps).toBeUndefined();
    expect(written[0]).toMatchObject({ phase: 'Running', progress: { succeeded: 1 } });
    vi.advanceTimersByTime(FIGURES_INTERVAL_MS);
    const calls = patch.mock.calls.length;
    await write(seenWith(2, { spiderTraps: traps }));
    expect(patch.mock.calls.length).toBe(calls + 1);
    expect(written[1]?.progress?.succeeded).toBe(2);
  });

  test('says at least how the run ended', async () => {
    const { written, write } = server(900);
    await write(
      seenWith(9, {
        spiderTraps: traps,
        state: 'Finished',
        finishedAt: NOW,
        outcome: 'Succeeded',
        message: 'y'.repeat(2_000),
      }),
    );
    expect(written[0]).toMatchObject({ phase: 'Succeeded', completionTime: '2026-01-01T12:00:30Z' });
    expect(written[0]?.conditions?.map(({ type }) => type).sort()).toEqual(['Complete', 'Finished']);
  });

  test('and no other is the error of the write', async () => {
    const { write } = server(10);
    await expect(write(seenWith(1))).rejects.toThrow('request is too large');
  });
});
