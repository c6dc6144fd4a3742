// Requests to the API are counted by route and status, whatever their paths are.
import { expect, it } from 'vitest';
import { createApp } from '#src/server/app.ts';
import { createRequestMetrics } from '#src/server/http/request-metrics.ts';
import type { ServerParts } from '#src/server/parts.ts';
import { createLogger } from '#src/telemetry/logger.ts';
import { createRegistry } from '#src/telemetry/metrics.ts';

it.each([
  ['GET', '/health', { method: 'GET', route: '/health', code: '200' }],
  [
    'GET',
    '/api/v1/namespaces/red/runs/shop-1',
    { method: 'GET', route: '/api/v1/namespaces/:namespace/runs/:name', code: '401' },
  ],
  ['GET', '/wp-login.php', { method: 'GET', route: 'none', code: '401' }],
  ['BREW', '/health', { method: 'other', route: 'none', code: '401' }],
])('%s %s', async (method, path, labels) => {
  const requestMetrics = createRequestMetrics(createRegistry());
  const app = createApp({
    ...{ parts: {} as ServerParts, authenticate: async () => undefined, readiness: {}, requestMetrics },
    logger: createLogger('server', 'fatal'),
  });
  await app.request(path, { method });
  expect((await requestMetrics.requests.get()).values).toEqual([{ labels, value: 1 }]);
  const { method: verb, route } = labels;
  const counts = (await requestMetrics.duration.get()).values.filter(({ metricName }) =>
    metricName?.endsWith('_count'),
  );
  expect(counts.map((count) => count.labels)).toEqual([{ method: verb, route }]);
});
