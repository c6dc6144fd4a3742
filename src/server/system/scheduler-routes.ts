// GET /api/v1/system/scheduler: which operator leads, how many schedules there are, and which is due next.
import { createRoute, z } from '@hono/zod-openapi';
import { answers, createRoutes, signalOf } from '../http/env.ts';
import type { ServerParts } from '../parts.ts';
import { pagesOf } from '../schedules/next-routes.ts';

const scheduler = createRoute({
  ...{ method: 'get', path: '/api/v1/system/scheduler', tags: ['System'] },
  summary: 'The operator that leads, the number of schedules, and the next run that is due.',
  responses: answers(
    z
      .object({
        leader: z.string().optional().describe('Pod of the operator that leads; absent while none does.'),
        leaderRenewedAt: z.string().optional(),
        schedules: z.int(),
        suspended: z.int(),
        notReady: z.int().describe('Whose condition Ready is not True.'),
        nextDue: z.object({ time: z.string(), namespace: z.string(), schedule: z.string() }).optional(),
      })
      .openapi('Scheduler'),
    'Over all namespaces.',
  ),
});

export function schedulerRoutes({ schedules, leader, access }: ServerParts) {
  const routes = createRoutes();
  routes.openapi(scheduler, async (c) => {
    await access.require(c.get('identity'), { verb: 'list', resource: 'crawlschedules' });
    const counts = { schedules: 0, suspended: 0, notReady: 0 };
    let nextDue: { time: string; namespace: string; schedule: string } | undefined;
    for await (const page of pagesOf(schedules, {}, signalOf(c))) {
      for (const { metadata, spec, status } of page) {
        counts.schedules += 1;
        if (spec.suspend === true) counts.suspended += 1;
        const ready = status?.conditions?.find(({ type }) => type === 'Ready');
        if (ready?.status !== 'True') counts.notReady += 1;
        const [time] = status?.nextScheduleTimes ?? [];
        if (time === undefined || (nextDue !== undefined && Date.parse(nextDue.time) <= Date.parse(time))) continue;
        nextDue = { time, namespace: metadata.namespace, schedule: metadata.name };
      }
    }
    const { holder, renewedAt } = await leader(signalOf(c));
    return c.json(
      {
        ...(holder === undefined ? {} : { leader: holder }),
        ...(renewedAt === undefined ? {} : { leaderRenewedAt: renewedAt }),
        ...counts,
        ...(nextDue === undefined ? {} : { nextDue }),
      },
      200,
    );
  });
  return routes;
}
