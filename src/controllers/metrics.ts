// What the operator tells of its own work, beside the metrics of src/kube.
import { Histogram, type Registry } from 'prom-client';
import { createKubeMetrics } from '../kube/metrics.ts';

export type OperatorMetrics = ReturnType<typeof createOperatorMetrics>;

/** Registers the metrics of the operator and of src/kube; call it once for a registry. */
export function createOperatorMetrics(registry: Registry) {
  return {
    ...createKubeMetrics(registry),
    creationSkew: new Histogram({
      name: 'trawler_schedule_creation_skew_seconds',
      help: 'Time between a slot of a schedule, its jitter included, and the creation of its run.',
      buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3_600],
      registers: [registry],
    }),
  };
}
