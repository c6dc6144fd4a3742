// The table of metrics is what the processes really register.
import type { Registry } from 'prom-client';
import { expect, it } from 'vitest';
import { createDatabaseMetrics, createOperatorMetrics } from '#src/controllers/metrics.ts';
import { createCrawlMetrics } from '#src/gateway/crawl-metrics.ts';
import { createGatewayMetrics } from '#src/gateway/metrics.ts';
import { createKubeMetrics } from '#src/kube/metrics.ts';
import { createRequestMetrics } from '#src/server/http/request-metrics.ts';
import { createPoolMetrics } from '#src/store/pool-metrics.ts';
import { METRICS, type MetricEntry, type MetricProcess } from '#src/telemetry/metric-table.ts';
import { createProcessRegistry } from '#src/telemetry/metrics.ts';

const REGISTER: Record<MetricProcess, (registry: Registry) => void> = {
  operator(registry) {
    createOperatorMetrics(registry);
    createPoolMetrics(registry);
    createDatabaseMetrics(registry, { connections: async () => ({ used: 1, most: 2 }) });
  },
  gateway(registry) {
    createGatewayMetrics(registry, { waitingClaims: () => 0, connectionsUsed: () => 0, connectionsWaitedFor: () => 0 });
    createCrawlMetrics(registry);
    createPoolMetrics(registry);
  },
  server(registry) {
    createKubeMetrics(registry);
    createRequestMetrics(registry);
    createPoolMetrics(registry);
  },
};

const entries: readonly MetricEntry[] = Object.values(METRICS);

it.each(['operator', 'gateway', 'server'] as const)('%s registers what the table says', (service) => {
  const registry = createProcessRegistry(service, '1.2.3');
  REGISTER[service](registry);
  const names = registry.getMetricsAsArray().map(({ name }) => name);
  const expected = entries.filter(({ from }) => from.includes(service)).map(({ name }) => name);
  expect(names.filter((name) => name.startsWith('trawler_')).toSorted()).toEqual(expected.toSorted());
});

it('has no name twice, and names as Prometheus wants them', () => {
  const names = entries.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  for (const { name, type, help } of entries) {
    expect(name.endsWith('_total'), name).toBe(type === 'counter');
    if (type === 'histogram') expect(name).toMatch(/_seconds$/);
    expect(help, name).toMatch(/\.$/);
  }
});

it('page durations have buckets for 60 s and 12 min', () => {
  expect(METRICS.pageDuration.buckets).toEqual(expect.arrayContaining([60, 720]));
  expect(METRICS.runDuration.buckets).toEqual(expect.arrayContaining([60, 720]));
});
