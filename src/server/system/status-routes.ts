// GET /api/v1/system/status: the queues of all runs together, workers, and which release answers.
import { createRoute, z } from '@hono/zod-openapi';
import { RELEASE } from '../../store/release.ts';
import { answers, createRoutes, signalOf } from '../http/env.ts';
import { databaseOf, type ServerParts } from '../parts.ts';

const status = createRoute({
  ...{ method: 'get', path: '/api/v1/system/status', tags: ['System'], summary: 'Queues, active runs and workers.' },
  responses: answers(
    z
      .object({
        release: z.string(),
        activeRuns: z.int(),
        workers: z.int(),
        queues: z.object({ waiting: z.int(), inProgress: z.int(), deadLetters: z.int(), known: z.int() }),
      })
      .openapi('SystemStatus'),
    'Over all runs that are not finished.',
  ),
});

export function statusRoutes(parts: ServerParts) {
  const routes = createRoutes();
  routes.openapi(status, async (c) => {
    await parts.access.require(c.get('identity'), { verb: 'list', resource: 'crawlruns' });
    const { activeRuns, workers, ...queues } = await databaseOf(parts).totals(signalOf(c));
    return c.json({ release: RELEASE, activeRuns, workers, queues }, 200);
  });
  return routes;
}
