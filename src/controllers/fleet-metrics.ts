// The figures of all schedules and runs as metrics, once this process leads and knows them.
import { setImmediate as otherWork } from 'node:timers/promises';
import type { Registry } from 'prom-client';
import type { CrawlRun, CrawlSchedule } from '../custom-resources/types.ts';
import type { QueueCaps } from '../resources/queues.ts';
import { METRICS } from '../telemetry/metric-table.ts';
import { readGauge } from '../telemetry/metrics.ts';
import {
  queueFigures,
  queueLimits,
  type RunFigures,
  runFigures,
  type ScheduleFigures,
  scheduleFigures,
} from './fleet.ts';

/** Schedules that have series of their own. */
const MOST_SCHEDULES = 10_000;
/** One scrape asks for a dozen of them: they are worked out once. */
const FRESH_MS = 1_000;

export type Fleet = {
  readonly scheduleCache: { list(): CrawlSchedule[] };
  readonly runCache: { list(): CrawlRun[] };
  /** The named queues that there are. */
  readonly queues: QueueCaps;
};

export type FleetMetrics = {
  /** The caches are filled. */
  readonly follow: (fleet: Fleet) => void;
};

export function createFleetMetrics(registry: Registry): FleetMetrics {
  let fleet: Fleet | undefined;
  const ofSchedules = remembered<ScheduleFigures>(
    () => fleet && scheduleFigures(fleet.scheduleCache.list(), MOST_SCHEDULES),
  );
  const ofRuns = remembered<RunFigures>(() => fleet && runFigures(fleet.runCache.list(), MOST_SCHEDULES));
  readGauge(registry, METRICS.schedules, async () => (await ofSchedules())?.byState ?? []);
  readGauge(registry, METRICS.schedulesLeftOut, async () => {
    const leftOut = (await ofSchedules())?.leftOut;
    return leftOut === undefined ? [] : [{ labels: {}, value: leftOut }];
  });
  readGauge(registry, METRICS.scheduleNextRun, async () => (await ofSchedules())?.nextRun ?? []);
  readGauge(registry, METRICS.scheduleLastSuccess, async () => (await ofSchedules())?.lastSuccess ?? []);
  readGauge(registry, METRICS.schedulePeriod, async () => (await ofSchedules())?.period ?? []);
  readGauge(registry, METRICS.scheduleLastRunFailed, async () => (await ofSchedules())?.lastRunFailed ?? []);
  readGauge(registry, METRICS.runs, async () => (await ofRuns())?.byPhase ?? []);
  readGauge(registry, METRICS.runsStalled, async () => (await ofRuns())?.stalled ?? []);
  readGauge(registry, METRICS.queueDepth, async () => (await ofRuns())?.queues ?? []);
  readGauge(registry, METRICS.queueRuns, () => (fleet ? queueFigures(fleet.runCache.list(), fleet.queues) : []));
  readGauge(registry, METRICS.queueLimit, () => (fleet ? queueLimits(fleet.queues) : []));
  readGauge(registry, METRICS.deadLetters, async () => (await ofRuns())?.deadLetters ?? []);
  readGauge(registry, METRICS.workers, async () => (await ofRuns())?.workers ?? []);
  readGauge(registry, METRICS.openPages, async () => (await ofRuns())?.openPages ?? []);
  readGauge(registry, METRICS.proxyActive, async () => (await ofRuns())?.proxyActive ?? []);
  readGauge(registry, METRICS.blockedHosts, async () => (await ofRuns())?.blockedHosts ?? []);
  return {
    follow(known) {
      fleet = known;
    },
  };
}

function remembered<T>(read: () => Generator<void, T> | undefined): () => Promise<T | undefined> {
  let last: { readonly value: Promise<T>; readonly at: number } | undefined;
  return async () => {
    if (last !== undefined && performance.now() - last.at < FRESH_MS) return last.value;
    const steps = read();
    last = steps && { value: resultOf(steps), at: performance.now() };
    return last?.value;
  };
}

/** What comes of the steps, with room for other work between them. */
async function resultOf<T>(steps: Generator<void, T>): Promise<T> {
  for (let step = steps.next(); ; step = steps.next()) {
    if (step.done) return step.value;
    await otherWork();
  }
}
