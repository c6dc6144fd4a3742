// What a controller's metrics are expected to show: reconciles, queues, requests, caches, events, leadership.
import type { Registry } from 'prom-client';
import { METRICS } from '../telemetry/metric-table.ts';
import { counter, gauge, histogram } from '../telemetry/metrics.ts';

export type KubeMetrics = ReturnType<typeof createKubeMetrics>;

/** Registers the metrics of src/kube; call it once for a registry. */
export function createKubeMetrics(registry: Registry) {
  return {
    reconcileDuration: histogram(registry, METRICS.reconcileDuration),
    reconciles: counter(registry, METRICS.reconciles),
    queueDepth: gauge(registry, METRICS.workqueueDepth),
    queueDelayed: gauge(registry, METRICS.workqueueDelayed),
    queueAdds: counter(registry, METRICS.workqueueAdds),
    queueLatency: histogram(registry, METRICS.workqueueLatency),
    queueRetries: counter(registry, METRICS.workqueueRetries),
    activeWorkers: gauge(registry, METRICS.workqueueActive),
    requests: counter(registry, METRICS.kubeRequests),
    requestDuration: histogram(registry, METRICS.kubeRequestDuration),
    rateLimitWait: histogram(registry, METRICS.kubeRateLimitWait),
    cacheObjects: gauge(registry, METRICS.cacheObjects),
    cacheLists: counter(registry, METRICS.cacheLists),
    cacheListDuration: histogram(registry, METRICS.cacheListDuration),
    watchRestarts: counter(registry, METRICS.cacheWatchRestarts),
    events: counter(registry, METRICS.events),
    leader: gauge(registry, METRICS.leader),
  };
}
