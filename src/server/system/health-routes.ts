// /health asks nobody; /ready tells the state of each dependency. Both need no token.
import { createRoute, z } from '@hono/zod-openapi';
import type { ReadinessCheck } from '../../telemetry/readiness.ts';
import { createRoutes } from '../http/env.ts';

const json = <T extends z.ZodType>(schema: T) => ({ content: { 'application/json': { schema } } });
const readiness = z
  .object({
    status: z.enum(['ready', 'not ready']),
    checks: z.record(z.string(), z.union([z.literal(true), z.string()])),
  })
  .openapi('Readiness');

const health = createRoute({
  ...{ method: 'get', path: '/health', tags: ['System'], summary: 'Whether the process answers.', security: [] },
  responses: { 200: { description: 'It does.', ...json(z.object({ status: z.literal('ok') })) } },
});
const ready = createRoute({
  ...{ method: 'get', path: '/ready', tags: ['System'], summary: 'Whether all dependencies answer.', security: [] },
  responses: {
    200: { description: 'They do.', ...json(readiness) },
    503: { description: 'One of them does not.', ...json(readiness) },
  },
});

export function healthRoutes(checks: Readonly<Record<string, ReadinessCheck>>) {
  const routes = createRoutes();
  routes.openapi(health, (c) => c.json({ status: 'ok' as const }, 200));
  routes.openapi(ready, async (c) => {
    const entries = Object.entries(checks).map(async ([name, check]) => [name, await check()] as const);
    const states = Object.fromEntries(await Promise.all(entries));
    const isReady = Object.values(states).every((state) => state === true);
    return isReady
      ? c.json({ status: 'ready' as const, checks: states }, 200)
      : c.json({ status: 'not ready' as const, checks: states }, 503);
  });
  return routes;
}
