// Requests by route and status, for Prometheus. What is no route of ours has one label for all: paths are without number.

import type { MiddlewareHandler } from 'hono';
import { matchedRoutes } from 'hono/route';
import type { Registry } from 'prom-client';
import { METRICS } from '../../telemetry/metric-table.ts';
import { counter, histogram } from '../../telemetry/metrics.ts';
import type { ServerEnv } from './env.ts';

export type RequestMetrics = ReturnType<typeof createRequestMetrics>;

const METHODS: readonly string[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

export function createRequestMetrics(registry: Registry) {
  return {
    requests: counter(registry, METRICS.httpRequests),
    duration: histogram(registry, METRICS.httpRequestDuration),
  };
}

export function countRequests({ requests, duration }: RequestMetrics): MiddlewareHandler<ServerEnv> {
  return async (c, next) => {
    const startedAt = performance.now();
    await next();
    // Middleware matches every path.
    const route = matchedRoutes(c).findLast(({ path }) => !path.endsWith('*'))?.path ?? 'none';
    const method = METHODS.includes(c.req.method) ? c.req.method : 'other';
    requests.inc({ method, route, code: String(c.res.status) });
    duration.observe({ method, route }, (performance.now() - startedAt) / 1_000);
  };
}
