// Troubles of runs and schedules: listed, the newest first, and acknowledged by a person.
import { createRoute, z } from '@hono/zod-openapi';
import { API_VERSION } from '../../resources/group.ts';
import { NOTIFICATION_EVENTS } from '../../resources/notifications.ts';
import type { Acknowledged } from '../../store/alert-store.ts';
import { decodeCursor, encodeCursor, nextCursor, pageQuery } from '../http/cursor.ts';
import { answers, body, createRoutes, inNamespace, signalOf } from '../http/env.ts';
import { databaseTime, objectName, storableText } from '../http/inputs.ts';
import { ProblemError } from '../http/problem.ts';
import { databaseOf, type ServerParts } from '../parts.ts';

const collection = '/api/v1/namespaces/{namespace}/alerts';
const tags = ['Alerts'];
const time = z.iso.datetime();
const ALERTS = NOTIFICATION_EVENTS.filter((event) => event !== 'Succeeded' && event !== 'Stopped');

const alert = z
  .object({
    ...{ alertId: z.string(), event: z.string(), occurredAt: time },
    run: z.string().optional().describe('The run that it is about; absent for one about the schedule.'),
    schedule: z.string().optional(),
    message: z.string().optional(),
    items: z.int().optional().describe('Of a run: the items that it gave.'),
    ...{ acknowledgedBy: z.string().optional(), acknowledgedAt: time.optional(), note: z.string().optional() },
  })
  .openapi('Alert');
export type Alert = z.output<typeof alert>;

const list = createRoute({
  ...{ method: 'get', path: collection, tags },
  summary:
    'What went wrong with runs of schedules and with schedules, the newest first, for 30 days: also results that are empty (Empty) or not as `spec.expect` says (Unexpected).',
  request: {
    params: inNamespace,
    query: pageQuery.extend({
      event: z.enum(ALERTS as [string, ...string[]]).optional(),
      schedule: objectName.optional(),
      acknowledged: z.enum(['true', 'false']).optional().describe('`false`: those that nobody has seen yet.'),
    }),
  },
  responses: answers(z.object({ items: z.array(alert), nextCursor }), 'A page.'),
});
const acknowledge = createRoute({
  ...{ method: 'post', path: `${collection}/{alertId}/acknowledge`, tags },
  summary: 'Say that you have seen an alert; who has said so first stands.',
  request: {
    params: inNamespace.extend({ alertId: z.guid() }),
    body: body(z.strictObject({ note: storableText(1_000).optional() })),
  },
  responses: answers(
    z.object({ isNew: z.boolean().describe('false: somebody has done so before.') }),
    'It is acknowledged.',
  ),
});

const beforeAlert = z.object({ at: databaseTime, id: z.guid() });

export function alertRoutes(parts: ServerParts) {
  const { access, audit } = parts;
  const routes = createRoutes();

  routes.openapi(list, async (c) => {
    const { namespace } = c.req.valid('param');
    const { limit, cursor, event, schedule, acknowledged } = c.req.valid('query');
    await access.require(c.get('identity'), { verb: 'list', resource: 'crawlruns', namespace });
    const before = decodeCursor(beforeAlert, cursor);
    const isAcknowledged = acknowledged === undefined ? undefined : acknowledged === 'true';
    const query = { namespace, event, schedule, isAcknowledged, before, limit };
    const rows = await databaseOf(parts).alerts(query, signalOf(c));
    const last = rows.length === limit ? rows.at(-1) : undefined;
    const items = rows.map(({ position: _, occurredAt, acknowledgedAt, ...row }) => ({
      ...{ ...row, occurredAt: occurredAt.toISOString() },
      ...(acknowledgedAt === undefined ? {} : { acknowledgedAt: acknowledgedAt.toISOString() }),
    }));
    return c.json({ items, ...(last && { nextCursor: encodeCursor({ at: last.position, id: last.alertId }) }) }, 200);
  });

  routes.openapi(acknowledge, async (c) => {
    const { namespace, alertId } = c.req.valid('param');
    const { note } = c.req.valid('json');
    const caller = c.get('identity');
    await access.require(caller, { verb: 'acknowledge', resource: 'crawlruns', namespace });
    const seen = { namespace, alertId, user: caller.username, note };
    const found = await databaseOf(parts).acknowledge(seen, signalOf(c));
    if (found === undefined) throw new ProblemError('NotFound', `there is no alert ${alertId} in "${namespace}"`);
    if (found.isNew) {
      const about = subjectOf(namespace, found);
      const detail = note === undefined ? found.event : `${found.event}: ${note}`;
      audit('Acknowledged', about, caller, { before: about, detail });
    }
    return c.json({ isNew: found.isNew }, 200);
  });

  return routes;
}

/** The run or the schedule, which may be gone. */
function subjectOf(namespace: string, { run, schedule, uid }: Acknowledged) {
  const [kind, name] = run === null ? ['CrawlSchedule', schedule ?? ''] : ['CrawlRun', run];
  return { apiVersion: API_VERSION, kind, metadata: { namespace, name, uid, resourceVersion: '' } };
}
