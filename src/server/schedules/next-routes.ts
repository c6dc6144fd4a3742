// When schedules run next, over all of them: as their statuses say, the soonest first.
import { createRoute, z } from '@hono/zod-openapi';
import type { CrawlSchedule } from '../../custom-resources/types.ts';
import { answers, createRoutes, signalOf } from '../http/env.ts';
import { namespaceName } from '../http/inputs.ts';
import type { ServerParts } from '../parts.ts';

const upcoming = z
  .object({
    time: z.iso.datetime(),
    namespace: z.string(),
    schedule: z.string(),
    timeZone: z.string(),
    isBusy: z.boolean().describe('A run of it is not over yet.'),
  })
  .openapi('UpcomingRun');

export type UpcomingRun = z.output<typeof upcoming>;

const next = createRoute({
  ...{ method: 'get', path: '/api/v1/next', tags: ['Schedules'] },
  summary: 'Which runs come next, over all schedules of a namespace or of all namespaces, the soonest first.',
  request: {
    query: z.object({
      namespace: namespaceName.optional(),
      limit: z.coerce.number().int().min(1).max(500).default(50).describe('Most rows.'),
    }),
  },
  responses: answers(z.object({ items: z.array(upcoming) }), 'At most five of each schedule.'),
});

/** Schedules that are asked of the API server at once. */
const PAGE = 500;

export function nextRoutes({ schedules, access }: ServerParts) {
  const routes = createRoutes();
  routes.openapi(next, async (c) => {
    const { namespace, limit } = c.req.valid('query');
    const where = namespace === undefined ? {} : { namespace };
    await access.require(c.get('identity'), { verb: 'list', resource: 'crawlschedules', ...where });
    let soonest: UpcomingRun[] = [];
    for await (const page of pagesOf(schedules, where, signalOf(c))) {
      soonest = soonestOf([...soonest, ...page.flatMap(upcomingOf)], limit);
    }
    return c.json({ items: soonest }, 200);
  });
  return routes;
}

export async function* pagesOf(
  schedules: ServerParts['schedules'],
  where: { readonly namespace?: string },
  signal: AbortSignal,
): AsyncGenerator<readonly CrawlSchedule[]> {
  for (let from: { continueToken?: string } | undefined = {}; from !== undefined; ) {
    const { items, continueToken } = await schedules.list({ ...where, ...from, limit: PAGE, signal });
    yield items;
    from = continueToken === undefined ? undefined : { continueToken };
  }
}

function upcomingOf({ metadata: { namespace, name }, spec, status }: CrawlSchedule): UpcomingRun[] {
  const isBusy = (status?.activeCount ?? 0) > 0;
  return (status?.nextScheduleTimes ?? []).map((time) => ({
    ...{ time, namespace, schedule: name, timeZone: spec.timeZone ?? 'Etc/UTC', isBusy },
  }));
}

/** Pure; at the same time by namespace and name. */
export function soonestOf(runs: readonly UpcomingRun[], limit: number): UpcomingRun[] {
  const place = ({ time, namespace, schedule }: UpcomingRun) => [Date.parse(time), `${namespace}/${schedule}`] as const;
  return runs
    .toSorted((a, b) => {
      const [[timeA, nameA], [timeB, nameB]] = [place(a), place(b)];
      return timeA - timeB || (nameA < nameB ? -1 : 1);
    })
    .slice(0, limit);
}
