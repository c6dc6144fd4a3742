// Connections of a process to PostgreSQL and how long each use of one takes, for Prometheus.

import type pg from 'pg';
import type { Registry } from 'prom-client';
import { METRICS } from '../telemetry/metric-table.ts';
import { histogram, readGauge } from '../telemetry/metrics.ts';

export type PoolMetrics = {
  /** The pool counts until it is ended. */
  readonly watch: (pool: pg.Pool) => void;
};

export function createPoolMetrics(registry: Registry): PoolMetrics {
  const pools = new Set<pg.Pool>();
  const duration = histogram(registry, METRICS.databaseQueryDuration);
  const live = () => [...pools].filter((pool) => !pool.ending);
  const sum = (of: (pool: pg.Pool) => number) => live().reduce((total, pool) => total + of(pool), 0);
  readGauge(registry, METRICS.databaseConnections, () => [
    { labels: { state: 'active' }, value: sum(({ totalCount, idleCount }) => totalCount - idleCount) },
    { labels: { state: 'idle' }, value: sum(({ idleCount }) => idleCount) },
    { labels: { state: 'waiting' }, value: sum(({ waitingCount }) => waitingCount) },
  ]);
  readGauge(registry, METRICS.databaseConnectionsMax, () => [
    { labels: {}, value: sum(({ options }) => options.max ?? 0) },
  ]);
  return {
    watch(pool) {
      for (const known of pools) if (known.ended) pools.delete(known);
      pools.add(pool);
      const since = new WeakMap<pg.PoolClient, number>();
      pool.on('acquire', (client) => since.set(client, performance.now()));
      pool.on('release', (_error, client) => {
        const from = since.get(client);
        if (from !== undefined) duration.observe((performance.now() - from) / 1_000);
      });
    },
  };
}
