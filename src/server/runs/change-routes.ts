// What runs found, compared with their schedule's run before: the changes of one run, and of a schedule as a feed.
import { createRoute, z } from '@hono/zod-openapi';
import { decodeCursor, encodeCursor, nextCursor, pageQuery } from '../http/cursor.ts';
import { answers, createRoutes, named, signalOf } from '../http/env.ts';
import { bigKey, databaseTime } from '../http/inputs.ts';
import { ProblemError } from '../http/problem.ts';
import { databaseOf, type ServerParts } from '../parts.ts';

const tags = ['Results'];
const kind = z.enum(['Url', 'Item']).optional();

const change = z.object({
  kind: z.enum(['Url', 'Item']),
  change: z.enum(['New', 'Changed', 'Gone', 'Unseen', 'Unchanged']),
  source: z.string(),
  url: z.string(),
  item: z.string().optional().describe('What makes an item the same one, such as `sku=4711`.'),
  fields: z
    .record(z.string(), z.object({ before: z.unknown().optional(), after: z.unknown().optional() }))
    .optional()
    .describe('Of a changed item: what differs.'),
});
const runChange = change.openapi('RunChange');
const scheduleChange = change.extend({ run: z.string() }).openapi('ScheduleChange');

export type RunChange = z.output<typeof runChange>;
export type ScheduleChange = z.output<typeof scheduleChange>;

const ofRun = createRoute({
  ...{ method: 'get', path: '/api/v1/namespaces/{namespace}/runs/{name}/changes', tags },
  summary: "What is new, changed or gone since the schedule's run before; the counts are in the run's execution.",
  request: {
    params: named,
    query: pageQuery.extend({
      kind,
      change: z
        .enum(['New', 'Changed', 'Gone', 'Unseen', 'Unchanged'])
        .optional()
        .describe('`Unchanged` lists pages; items that are as they were are counted alone.'),
    }),
  },
  responses: answers(z.object({ items: z.array(runChange), nextCursor }), 'A page.'),
});
const ofSchedule = createRoute({
  ...{ method: 'get', path: '/api/v1/namespaces/{namespace}/schedules/{name}/changes', tags },
  summary: 'The changes of all runs of a schedule in the order in which they were found: a feed.',
  request: {
    params: named,
    query: pageQuery.extend({ kind, change: z.enum(['New', 'Changed', 'Gone', 'Unseen']).optional() }),
  },
  responses: answers(
    z.object({
      items: z.array(scheduleChange),
      nextCursor: z.string().optional().describe('Where the feed goes on, also at its end: ask again later with it.'),
    }),
    'A page.',
  ),
});

const afterChange = z.object({ after: bigKey });
const afterUrl = z.object({ after: z.guid() });
const afterFeed = z.object({ at: databaseTime, runId: z.guid(), after: bigKey });

export function changeRoutes(parts: ServerParts) {
  const routes = createRoutes();

  routes.openapi(ofRun, async (c) => {
    const { namespace, name } = c.req.valid('param');
    const { limit, cursor, kind: ofKind, change: ofChange } = c.req.valid('query');
    await parts.access.require(c.get('identity'), { verb: 'get', resource: 'crawlruns', namespace, name });
    if (ofChange === 'Unchanged' && ofKind === 'Item') {
      const errors = [{ field: 'change', message: 'items that are as they were are counted, and not listed' }];
      throw new ProblemError('BadRequest', 'items that are as they were are counted, and not listed', { errors });
    }
    const store = databaseOf(parts).comparisons;
    const runId = await store.runOf(namespace, name, signalOf(c));
    if (runId === undefined) {
      throw new ProblemError('NotFound', `there are no results of a run "${name}" that has ended in "${namespace}"`);
    }
    const query = { ...decodeCursor(ofChange === 'Unchanged' ? afterUrl : afterChange, cursor), limit };
    const rows =
      ofChange === 'Unchanged'
        ? await store.unchangedUrls(runId, query, signalOf(c))
        : await store.changes(
            runId,
            { ...query, ...(ofKind ? { kind: ofKind } : {}), ...(ofChange ? { change: ofChange } : {}) },
            signalOf(c),
          );
    const last = rows.length === limit ? rows.at(-1) : undefined;
    const items = rows.map(({ id: _, fields, ...row }) => ({ ...row, ...(fields ? { fields: { ...fields } } : {}) }));
    return c.json({ items, ...(last === undefined ? {} : { nextCursor: encodeCursor({ after: last.id }) }) }, 200);
  });

  routes.openapi(ofSchedule, async (c) => {
    const { namespace, name } = c.req.valid('param');
    const { limit, cursor, kind: ofKind, change: ofChange } = c.req.valid('query');
    // Of runs, also when the schedule itself is gone.
    await parts.access.require(c.get('identity'), { verb: 'list', resource: 'crawlruns', namespace });
    const since = decodeCursor(afterFeed, cursor);
    const rows = await databaseOf(parts).changeFeed(
      {
        ...{ namespace, schedule: name, limit },
        ...(ofKind === undefined ? {} : { kind: ofKind }),
        ...(ofChange === undefined ? {} : { change: ofChange }),
        ...(since === undefined ? {} : { since }),
      },
      signalOf(c),
    );
    const position = rows.at(-1)?.position ?? since;
    const items = rows.map(({ position: _, fields, ...row }) => ({
      ...row,
      ...(fields ? { fields: { ...fields } } : {}),
    }));
    return c.json({ items, ...(position === undefined ? {} : { nextCursor: encodeCursor(position) }) }, 200);
  });

  return routes;
}
