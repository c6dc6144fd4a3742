// What is done with a schedule beside editing it: suspend with a note, resume, run now, and when it runs next.
import { createRoute, z } from '@hono/zod-openapi';
import { resumeSchedulePatch, suspendSchedulePatch } from '../../custom-resources/suspension.ts';
import { LABEL } from '../../resources/group.ts';
import { answers, body, createRoutes, named, signalOf } from '../http/env.ts';
import { idempotent } from '../http/idempotency.ts';
import { scheduleSchema, shown } from '../http/resources.ts';
import type { ServerParts } from '../parts.ts';
import { crawlNow, started } from './crawl-now.ts';
import { findSchedule } from './schedule-routes.ts';

const single = '/api/v1/namespaces/{namespace}/schedules/{name}';
const tags = ['Schedules'];

const suspension = z.strictObject({
  note: z.string().max(512).optional().describe('Why, for people.'),
  until: z.iso.datetime({ offset: true }).optional().describe('When it goes on by itself.'),
});
const suspend = createRoute({
  ...{ method: 'post', path: `${single}/suspend`, tags, summary: 'Make no more runs, and say why, and until when.' },
  request: { params: named, body: body(suspension) },
  responses: answers(scheduleSchema, 'The schedule.'),
});
const resume = createRoute({
  ...{ method: 'post', path: `${single}/resume`, tags, summary: 'Make runs again, also after too many failures.' },
  request: { params: named },
  responses: answers(scheduleSchema, 'The schedule.'),
});
const run = createRoute({
  ...{ method: 'post', path: `${single}/run`, tags, summary: 'Run a schedule now, all of it or one source.' },
  request: {
    ...{ params: named, headers: idempotent },
    body: body(z.strictObject({ source: z.string().min(1).max(63).optional() })),
  },
  responses: answers(started, 'The run.'),
});
const next = createRoute({
  ...{ method: 'get', path: `${single}/next`, tags, summary: 'When a schedule runs next: five times, or why none.' },
  request: { params: named },
  responses: answers(
    z.object({ times: z.array(z.iso.datetime()), timeZone: z.string(), message: z.string().optional() }),
    'The times.',
  ),
});

const resource = 'crawlschedules';

export function scheduleActionRoutes(parts: ServerParts) {
  const { schedules, access, audit, now } = parts;
  const routes = createRoutes();

  routes.openapi(suspend, async (c) => {
    const ref = c.req.valid('param');
    const { note, until } = c.req.valid('json');
    const identity = c.get('identity');
    await access.require(identity, { verb: 'suspend', resource, ...ref });
    const before = await findSchedule(schedules, ref, signalOf(c));
    const wish = { note, until: until === undefined ? undefined : new Date(until) };
    const patch = { type: 'merge', body: suspendSchedulePatch(identity.username, wish) } as const;
    const stored = await schedules.patch(ref, patch, { signal: signalOf(c) });
    audit('Suspended', stored, identity, { before, detail: note });
    return c.json(shown(stored), 200);
  });

  routes.openapi(resume, async (c) => {
    const ref = c.req.valid('param');
    const identity = c.get('identity');
    await access.require(identity, { verb: 'resume', resource, ...ref });
    const before = await findSchedule(schedules, ref, signalOf(c));
    const patch = { type: 'merge', body: resumeSchedulePatch(now()) } as const;
    const stored = await schedules.patch(ref, patch, { signal: signalOf(c) });
    audit('Resumed', stored, identity, { before });
    return c.json(shown(stored), 200);
  });

  routes.openapi(run, async (c) => {
    const ref = c.req.valid('param');
    const { source } = c.req.valid('json');
    const identity = c.get('identity');
    await access.require(identity, { verb: 'run', resource, ...ref });
    const schedule = await findSchedule(schedules, ref, signalOf(c));
    const choice = { ...(source === undefined ? {} : { source }), key: c.req.valid('header')['idempotency-key'] };
    const answer = await crawlNow(parts, [schedule], choice, identity, signalOf(c));
    return c.json(answer, 200);
  });

  routes.openapi(next, async (c) => {
    const ref = c.req.valid('param');
    await access.require(c.get('identity'), { verb: 'get', resource, ...ref });
    const { spec, status } = await findSchedule(schedules, ref, signalOf(c));
    const times = status?.nextScheduleTimes ?? [];
    const ready = status?.conditions?.find(({ type }) => type === 'Ready');
    const message = ready?.message ?? 'the operator has not looked at the schedule yet';
    return c.json({ times, timeZone: spec.timeZone ?? 'Etc/UTC', ...(times.length > 0 ? {} : { message }) }, 200);
  });

  return routes;
}

/** Runs that one request has made carry its id. */
export const batchSelector = (batch: string) => `${LABEL.batch}=${batch}`;
