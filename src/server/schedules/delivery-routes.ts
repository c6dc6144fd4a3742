// What became of a schedule's notifications: what was delivered to whom, what failed and why, and once more.
import { createRoute, z } from '@hono/zod-openapi';
import type { DeliveryRow } from '../../store/server-deliveries.ts';
import { decodeCursor, encodeCursor, nextCursor, pageQuery } from '../http/cursor.ts';
import { answers, body, createRoutes, named, signalOf } from '../http/env.ts';
import { databaseTime, storableText } from '../http/inputs.ts';
import { ProblemError } from '../http/problem.ts';
import { databaseOf, type ServerParts } from '../parts.ts';
import { findSchedule } from './schedule-routes.ts';

const collection = '/api/v1/namespaces/{namespace}/schedules/{name}/deliveries';
const tags = ['Schedules'];
const STATES = ['pending', 'delivered', 'failed', 'disabled'] as const;
const time = z.iso.datetime();

const delivery = z
  .object({
    ...{ notificationId: z.string(), event: z.string(), occurredAt: time, target: z.string(), state: z.enum(STATES) },
    run: z.string().optional().describe('The run that it is about; absent for one about the schedule.'),
    tries: z.int(),
    nextAt: time.optional().describe('Of a pending one: when it is tried next.'),
    triedAt: time.optional(),
    status: z.int().optional().describe('The HTTP status of the last answer.'),
    error: z.string().optional(),
  })
  .openapi('Delivery');
export type Delivery = z.output<typeof delivery>;

const list = createRoute({
  ...{ method: 'get', path: collection, tags },
  summary: "Deliveries of a schedule's notifications, the newest first, as long as they are kept: 30 days.",
  request: {
    params: named,
    query: pageQuery.extend({
      state: z.enum(STATES).optional(),
      target: storableText(63).optional(),
      notificationId: z.guid().optional(),
    }),
  },
  responses: answers(z.object({ items: z.array(delivery), nextCursor }), 'A page.'),
});
const redeliver = createRoute({
  ...{ method: 'post', path: `${collection}/redeliver`, tags },
  summary: 'Send a notification again, with the same id, also to a receiver that has answered 410.',
  request: { params: named, body: body(z.strictObject({ notificationId: z.guid(), target: storableText(63).min(1) })) },
  responses: answers(
    z.object({ was: z.enum(STATES).describe('One that is pending stays as it is.') }),
    'It is pending.',
  ),
});

const sendTest = createRoute({
  ...{ method: 'post', path: `${collection}/test`, tags },
  summary: 'Send a message to one receiver to try it out; the list of deliveries tells what it answered.',
  request: { params: named, body: body(z.strictObject({ target: storableText(63).min(1) })) },
  responses: answers(z.object({ notificationId: z.string() }), 'It is pending.'),
});

const TEST_MESSAGE = 'a message to try out the receiver: nothing has happened';

const beforeDelivery = z.object({ at: databaseTime, id: z.guid(), target: storableText(63) });

export function deliveryRoutes(parts: ServerParts) {
  const { schedules, access, audit } = parts;
  const routes = createRoutes();

  routes.openapi(list, async (c) => {
    const ref = c.req.valid('param');
    const { limit, cursor, ...filter } = c.req.valid('query');
    await access.require(c.get('identity'), { verb: 'get', resource: 'crawlschedules', ...ref });
    const before = decodeCursor(beforeDelivery, cursor);
    const { metadata } = await findSchedule(schedules, ref, signalOf(c));
    const query = { ...filter, before, limit, scheduleUid: metadata.uid };
    const rows = await databaseOf(parts).deliveries(query, signalOf(c));
    const last = rows.length === limit ? rows.at(-1) : undefined;
    const next = last && {
      nextCursor: encodeCursor({ at: last.position, id: last.notificationId, target: last.target }),
    };
    return c.json({ items: rows.map(shownDelivery), ...next }, 200);
  });

  routes.openapi(redeliver, async (c) => {
    const ref = c.req.valid('param');
    const { notificationId, target } = c.req.valid('json');
    await access.require(c.get('identity'), { verb: 'update', resource: 'crawlschedules', ...ref });
    const schedule = await findSchedule(schedules, ref, signalOf(c));
    const was = await databaseOf(parts).redeliver(schedule.metadata.uid, notificationId, target, signalOf(c));
    if (was === undefined) {
      throw new ProblemError('NotFound', `schedule "${ref.name}" has no delivery of ${notificationId} to "${target}"`);
    }
    if (was !== 'pending') {
      const detail = `${notificationId} to ${target}, which was ${was}`;
      audit('Redelivered', schedule, c.get('identity'), { before: schedule, detail });
    }
    return c.json({ was }, 200);
  });

  routes.openapi(sendTest, async (c) => {
    const ref = c.req.valid('param');
    const { target } = c.req.valid('json');
    await access.require(c.get('identity'), { verb: 'update', resource: 'crawlschedules', ...ref });
    const schedule = await findSchedule(schedules, ref, signalOf(c));
    if (!schedule.spec.notifications?.some(({ name }) => name === target)) {
      throw new ProblemError('NotFound', `schedule "${ref.name}" has no receiver "${target}" (spec.notifications)`);
    }
    const payload = { namespace: ref.namespace, schedule: ref.name, reason: 'Test', message: TEST_MESSAGE };
    const id = await databaseOf(parts).sendTest(schedule.metadata.uid, target, payload, signalOf(c));
    audit('NotificationTested', schedule, c.get('identity'), { before: schedule, detail: `${id} to ${target}` });
    return c.json({ notificationId: id }, 200);
  });

  return routes;
}

function shownDelivery({ position: _, occurredAt, nextAt, triedAt, ...row }: DeliveryRow): Delivery {
  return {
    ...{ ...row, occurredAt: occurredAt.toISOString() },
    ...(nextAt === undefined ? {} : { nextAt: nextAt.toISOString() }),
    ...(triedAt === undefined ? {} : { triedAt: triedAt.toISOString() }),
  };
}
