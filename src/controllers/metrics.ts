// What the operator tells of its own work, beside the metrics of src/kube, and of all schedules and runs.
import type { Registry } from 'prom-client';
import type { CrawlRun } from '../custom-resources/types.ts';
import { createKubeMetrics } from '../kube/metrics.ts';
import type { OperatorStore, RunOutcome } from '../store/operator-store.ts';
import { METRICS } from '../telemetry/metric-table.ts';
import { histogram, readGauge, runCounter, runHistogram } from '../telemetry/metrics.ts';
import { createFleetMetrics } from './fleet-metrics.ts';

export type OperatorMetrics = ReturnType<typeof createOperatorMetrics>;

/** Registers the metrics of the operator and of src/kube; call it once for a registry. */
export function createOperatorMetrics(registry: Registry) {
  const finished = runCounter(registry, METRICS.runsFinished);
  const duration = runHistogram(registry, METRICS.runDuration);
  return {
    ...createKubeMetrics(registry),
    creationSkew: histogram(registry, METRICS.creationSkew),
    fleet: createFleetMetrics(registry),
    /** Once for each run. */
    runEnded(run: CrawlRun, outcome: RunOutcome, at: Date): void {
      const { namespace, uid } = run.metadata;
      finished.inc({ namespace, schedule: run.spec.scheduleName ?? '', outcome }, uid);
      const seconds = (at.getTime() - Date.parse(run.status?.startTime ?? '')) / 1_000;
      if (seconds >= 0) duration.observe({ namespace }, seconds, uid);
    },
  };
}

/** Longer than a scrape may take, a database that is away must not hold it up. */
const DATABASE_TIMEOUT_MS = 2_000;

/** Whether PostgreSQL answers, and how many connections it has left: asked when somebody scrapes. */
export function createDatabaseMetrics(registry: Registry, store: Pick<OperatorStore, 'connections'>): void {
  let asked: ReturnType<OperatorStore['connections']> | undefined;
  const ask = () => {
    asked = store.connections(AbortSignal.timeout(DATABASE_TIMEOUT_MS));
    return asked;
  };
  const one = (value: number) => [{ labels: {}, value }];
  readGauge(registry, METRICS.databaseUp, () =>
    ask().then(
      () => one(1),
      () => one(0),
    ),
  );
  // Of the same answer: these two come after.
  readGauge(
    registry,
    METRICS.databaseServerConnections,
    () =>
      asked?.then(
        ({ used }) => one(used),
        () => [],
      ) ?? [],
  );
  readGauge(
    registry,
    METRICS.databaseServerConnectionsMax,
    () =>
      asked?.then(
        ({ most }) => one(most),
        () => [],
      ) ?? [],
  );
}
