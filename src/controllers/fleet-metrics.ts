// The figures of all schedules and runs as metrics, once this process leads and knows them.
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
  readGauge(registry, METRICS.schedules, () => ofSchedules()?.byState ?? []);
  readGauge(registry, METRICS.schedulesLeftOut, () => {
    const leftOut = ofSchedules()?.leftOut;
    return leftOut === undefined ? [] : [{ labels: {}, value: leftOut }];
  });
  readGauge(registry, METRICS.scheduleNextRun, () => ofSchedules()?.nextRun ?? []);
  readGauge(registry, METRICS.scheduleLastSuccess, () => ofSchedules()?.lastSuccess ?? []);
  readGauge(registry, METRICS.schedulePeriod, () => ofSchedules()?.period ?? []);
  readGauge(registry, METRICS.scheduleLastRunFailed, () => ofSchedules()?.lastRunFailed ?? []);
  readGauge(registry, METRICS.runs, () => ofRuns()?.byPhase ?? []);
  readGauge(registry, METRICS.runsStalled, () => ofRuns()?.stalled ?? []);
  readGauge(registry, METRICS.queueDepth, () => ofRuns()?.queues ?? []);
  readGauge(registry, METRICS.queueRuns, () => (fleet ? queueFigures(fleet.runCache.list(), fleet.queues) : []));
  readGauge(registry, METRICS.queueLimit, () => (fleet ? queueLimits(fleet.queues) : []));
  readGauge(registry, METRICS.deadLetters, () => ofRuns()?.deadLetters ?? []);
  readGauge(registry, METRICS.workers, () => ofRuns()?.workers ?? []);
  readGauge(registry, METRICS.openPages, () => ofRuns()?.openPages ?? []);
  readGauge(registry, METRICS.proxyActive, () => ofRuns()?.proxyActive ?? []);
  readGauge(registry, METRICS.blockedHosts, () => ofRuns()?.blockedHosts ?? []);
  return {
    follow(known) {
      fleet = known;
    },
  };
}

function remembered<T>(read: () => T | undefined): () => T | undefined {
  let last: { readonly value: T; readonly at: number } | undefined;
  return () => {
    if (last !== undefined && performance.now() - last.at < FRESH_MS) return last.value;
    const value = read();
    last = value === undefined ? undefined : { value, at: performance.now() };
    return value;
  };
}
