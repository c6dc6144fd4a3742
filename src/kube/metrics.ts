// What a controller's metrics are expected to show: reconciles, queues, requests, caches, events, leadership.
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

export type KubeMetrics = ReturnType<typeof createKubeMetrics>;

/** Registers the metrics of src/kube; call it once for a registry. */
export function createKubeMetrics(registry: Registry) {
  const registers = [registry];
  return {
    reconcileDuration: new Histogram({
      name: 'trawler_reconcile_duration_seconds',
      help: 'Time of one reconcile.',
      labelNames: ['controller'] as const,
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
      registers,
    }),
    reconciles: new Counter({
      name: 'trawler_reconcile_total',
      help: 'Reconciles by result: success, requeue_after, error.',
      labelNames: ['controller', 'result'] as const,
      registers,
    }),
    queueDepth: new Gauge({
      name: 'trawler_workqueue_depth',
      help: 'Keys that wait to be reconciled now.',
      labelNames: ['controller'] as const,
      registers,
    }),
    queueDelayed: new Gauge({
      name: 'trawler_workqueue_delayed',
      help: 'Keys that wait for a later time (requeue or back-off).',
      labelNames: ['controller'] as const,
      registers,
    }),
    queueAdds: new Counter({
      name: 'trawler_workqueue_adds_total',
      help: 'Keys added to the queue.',
      labelNames: ['controller'] as const,
      registers,
    }),
    queueLatency: new Histogram({
      name: 'trawler_workqueue_queue_duration_seconds',
      help: 'Time between a key being ready and its reconcile starting.',
      labelNames: ['controller'] as const,
      buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60],
      registers,
    }),
    queueRetries: new Counter({
      name: 'trawler_workqueue_retries_total',
      help: 'Keys that came back after a failed reconcile.',
      labelNames: ['controller'] as const,
      registers,
    }),
    activeWorkers: new Gauge({
      name: 'trawler_workqueue_active_workers',
      help: 'Reconciles running now.',
      labelNames: ['controller'] as const,
      registers,
    }),
    requests: new Counter({
      name: 'trawler_kube_requests_total',
      help: 'Requests to the API server by verb, resource and HTTP code (0: no answer).',
      labelNames: ['verb', 'resource', 'code'] as const,
      registers,
    }),
    requestDuration: new Histogram({
      name: 'trawler_kube_request_duration_seconds',
      help: 'Time of one request to the API server, watches and waiting for the rate limit left out.',
      labelNames: ['verb', 'resource'] as const,
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30],
      registers,
    }),
    rateLimitWait: new Histogram({
      name: 'trawler_kube_rate_limit_wait_seconds',
      help: 'Time that a request waited for the client-side rate limit.',
      buckets: [0.001, 0.01, 0.1, 0.5, 1, 5, 30],
      registers,
    }),
    cacheObjects: new Gauge({
      name: 'trawler_cache_objects',
      help: 'Objects in the cache.',
      labelNames: ['resource'] as const,
      registers,
    }),
    cacheLists: new Counter({
      name: 'trawler_cache_lists_total',
      help: 'Full lists of a cache by result: success, error.',
      labelNames: ['resource', 'result'] as const,
      registers,
    }),
    cacheListDuration: new Histogram({
      name: 'trawler_cache_list_duration_seconds',
      help: 'Time of a full list, from the first request to the cache that holds it all.',
      labelNames: ['resource'] as const,
      buckets: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 30],
      registers,
    }),
    watchRestarts: new Counter({
      name: 'trawler_cache_watch_restarts_total',
      help: 'Ends of a watch by cause: timeout (expected), dropped, silent, expired, refused, error.',
      labelNames: ['resource', 'cause'] as const,
      registers,
    }),
    events: new Counter({
      name: 'trawler_events_total',
      help: 'Kubernetes Events by result: sent, counted (a repeat), dropped, failed.',
      labelNames: ['result'] as const,
      registers,
    }),
    leader: new Gauge({
      name: 'trawler_leader',
      help: '1 while this process leads.',
      labelNames: ['lease'] as const,
      registers,
    }),
  };
}
