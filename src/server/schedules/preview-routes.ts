// What a spec would do, before it is stored: whether it is valid, field by field, and when it would run.
import { createRoute, z } from '@hono/zod-openapi';
import type { CrawlSchedule } from '../../custom-resources/types.ts';
import { crawlScheduleSpec } from '../../resources/crawl-schedule.ts';
import { answers, body, createRoutes, inNamespace, signalOf } from '../http/env.ts';
import { scheduleSchema, scheduleSpecInput, shown } from '../http/resources.ts';
import type { ServerParts } from '../parts.ts';
import { timetableOf } from './timetables.ts';

/** As many as a schedule's status holds. */
const TIMES = 5;

const preview = createRoute({
  method: 'post',
  path: '/api/v1/namespaces/{namespace}/schedules/preview',
  tags: ['Schedules'],
  summary: 'Check the spec of a schedule without storing it: what is wrong with it, its defaults, its next five times.',
  request: { params: inNamespace, body: body(z.strictObject({ spec: scheduleSpecInput })) },
  responses: answers(
    z.object({
      schedule: scheduleSchema.describe('As it would be stored.'),
      times: z.array(z.iso.datetime()).describe('H fields are drawn anew for each schedule that is made.'),
      message: z.string().optional().describe('Why there are no times.'),
    }),
    'What would be.',
  ),
});

export function previewRoutes({ schedules, access, now }: ServerParts) {
  const routes = createRoutes();
  routes.openapi(preview, async (c) => {
    const { namespace } = c.req.valid('param');
    const { spec } = c.req.valid('json');
    await access.require(c.get('identity'), { verb: 'create', resource: 'crawlschedules', namespace });
    const stored = await schedules.create(
      { metadata: { namespace, name: `preview-${crypto.randomUUID()}` }, spec: spec as CrawlSchedule['spec'] },
      { signal: signalOf(c), fieldValidation: 'Strict', dryRun: true },
    );
    return c.json({ schedule: shown(stored), ...plannedTimes(stored, now()) }, 200);
  });
  return routes;
}

/** Pure. Throws an Invalid that names the field, for what the schema of the resource cannot tell. */
export function plannedTimes(
  schedule: CrawlSchedule,
  now: Date,
): { readonly times: string[]; readonly message?: string } {
  const spec = crawlScheduleSpec.parse(schedule.spec);
  const timetable = timetableOf(spec, schedule.metadata.uid, now);
  if (spec.suspend) return { times: [], message: 'spec.suspend is true: no new runs are made' };
  if (timetable === undefined) return { times: [], message: `it runs after each run of "${spec.after?.schedule}"` };
  const times: string[] = [];
  for (let next = timetable.next(now); next !== undefined && times.length < TIMES; next = timetable.next(next)) {
    times.push(next.toISOString());
  }
  return times.length === 0 ? { times, message: 'the schedule has no time ahead' } : { times };
}
