// Measures requests to the API server: client-node as it comes against the shared connection pool of src/kube.
// Run: node tests/bench/kube-client.ts   (starts a control plane of its own; about a minute)

import { subscribe } from 'node:diagnostics_channel';
import { CoreV1Api, KubeConfig } from '@kubernetes/client-node';
import { pino } from 'pino';
import { createRegistry } from '#src/telemetry/metrics.ts';
import { CONFIG_MAPS, type ConfigMap } from '../../src/kube/builtin-types.ts';
import { createKubeApi } from '../../src/kube/client.ts';
import { createKubeMetrics } from '../../src/kube/metrics.ts';
import { startControlPlane } from '../support/control-plane.ts';
import { inParallel } from './in-parallel.ts';

const REQUESTS = 2_000;
const CONCURRENCY = 20;

/** TLS connections made since the last count; both sides use undici. */
let connections = 0;
subscribe('undici:client:connected', () => {
  connections += 1;
});

const plane = await startControlPlane();
try {
  const config = new KubeConfig();
  config.loadFromFile(plane.kubeconfigPath);
  const results = {
    client_node: await measure(withClientNode(config.makeApiClient(CoreV1Api)), 'client-node'),
    shared_pool: await measure(withSharedPool(config), 'shared'),
  };
  console.log(JSON.stringify(results));
} finally {
  await plane.stop();
}

type Create = (name: string) => Promise<unknown>;

function withClientNode(api: CoreV1Api): Create {
  return (name) => api.createNamespacedConfigMap({ namespace: 'default', body: { metadata: { name } } });
}

function withSharedPool(config: KubeConfig): Create {
  const metrics = createKubeMetrics(createRegistry());
  const options = { logger: pino({ level: 'silent' }), metrics, qps: 1e6, burst: 1e6 };
  const configMaps = createKubeApi(config, options).resource<ConfigMap>(CONFIG_MAPS);
  const { signal } = new AbortController();
  return (name) => configMaps.create({ metadata: { namespace: 'default', name } }, { signal });
}

/** Creates of small objects, CONCURRENCY at a time, after a short warm-up. */
async function measure(create: Create, prefix: string) {
  await inParallel(100, CONCURRENCY, (n) => create(`${prefix}-warm-${n}`));
  connections = 0;
  const latencies: number[] = [];
  const cpuBefore = process.cpuUsage();
  const startedAt = performance.now();
  await inParallel(REQUESTS, CONCURRENCY, async (n) => {
    const sentAt = performance.now();
    await create(`${prefix}-${n}`);
    latencies.push(performance.now() - sentAt);
  });
  const seconds = (performance.now() - startedAt) / 1000;
  const { user, system } = process.cpuUsage(cpuBefore);
  latencies.sort((a, b) => a - b);
  return {
    requests_per_s: Math.round(REQUESTS / seconds),
    p50_ms: round(latencies[REQUESTS / 2]),
    p99_ms: round(latencies[Math.floor(REQUESTS * 0.99)]),
    cpu_ms_per_request: round((user + system) / 1000 / REQUESTS),
    connections,
  };
}

function round(value: number | undefined): number {
  return Math.round((value ?? Number.NaN) * 100) / 100;
}
