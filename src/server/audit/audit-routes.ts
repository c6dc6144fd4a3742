// What was done through the server, the newest first.
import { createRoute, z } from '@hono/zod-openapi';
import { decodeCursor, encodeCursor, nextCursor, pageQuery } from '../http/cursor.ts';
import { answers, createRoutes, inNamespace, signalOf } from '../http/env.ts';
import { bigKey, objectName, storableText } from '../http/inputs.ts';
import { databaseOf, type ServerParts } from '../parts.ts';
import { AUDITED_ACTIONS } from './audit.ts';

const fields = z.record(z.string(), z.unknown());
const entry = z
  .object({
    at: z.iso.datetime(),
    user: z.string(),
    origin: z.string().optional().describe('The address that the request came from.'),
    action: z.enum(AUDITED_ACTIONS),
    ...{ kind: z.string(), namespace: z.string(), name: z.string(), uid: z.string() },
    detail: z.string().optional(),
    before: fields.optional().describe('The fields that were changed, by their paths, as they were.'),
    after: fields.optional().describe('The same as they are since.'),
  })
  .openapi('AuditEntry');
export type AuditEntryShown = z.output<typeof entry>;

const list = createRoute({
  ...{ method: 'get', path: '/api/v1/namespaces/{namespace}/audit', tags: ['System'] },
  summary: 'Who changed what through this API, the newest first.',
  request: {
    params: inNamespace,
    query: pageQuery.extend({
      user: storableText(1_024).optional(),
      action: z.enum(AUDITED_ACTIONS).optional(),
      kind: z.enum(['CrawlSchedule', 'CrawlRun', 'CrawlBackfill', 'Secret']).optional(),
      name: objectName
        .optional()
        .describe('Of the schedule, the run, the backfill, or the Secret of the named tokens.'),
    }),
  },
  responses: answers(z.object({ items: z.array(entry), nextCursor }), 'A page.'),
});

const beforeEntry = z.object({ before: bigKey });

export function auditRoutes(parts: ServerParts) {
  const routes = createRoutes();
  routes.openapi(list, async (c) => {
    const { namespace } = c.req.valid('param');
    const { limit, cursor, ...filter } = c.req.valid('query');
    await parts.access.require(c.get('identity'), { verb: 'list', resource: 'audits', namespace });
    const position = decodeCursor(beforeEntry, cursor) ?? {};
    const rows = await databaseOf(parts).auditRows({ ...filter, ...position, namespace, limit }, signalOf(c));
    const last = rows.length === limit ? rows.at(-1) : undefined;
    const items = rows.map(({ auditId: _, at, ...row }) => ({ ...row, at: at.toISOString() }) as AuditEntryShown);
    return c.json(
      { items, ...(last === undefined ? {} : { nextCursor: encodeCursor({ before: last.auditId }) }) },
      200,
    );
  });
  return routes;
}
