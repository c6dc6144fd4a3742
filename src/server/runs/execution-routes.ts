// Executions: what stays of runs and of maintenance when they have ended, also when their resources are gone.
import { createRoute, z } from '@hono/zod-openapi';
import { TRIGGER_TYPES } from '../../resources/crawl-run.ts';
import type { Execution, ExecutionDetails } from '../../store/execution-store.ts';
import { decodeCursor, encodeCursor, nextCursor, pageQuery } from '../http/cursor.ts';
import { answers, createRoutes, inNamespace, signalOf } from '../http/env.ts';
import { databaseTime, objectName, storableText } from '../http/inputs.ts';
import { ProblemError } from '../http/problem.ts';
import { databaseOf, type ServerParts } from '../parts.ts';

const OUTCOMES = ['Succeeded', 'Partial', 'Failed', 'Stopped', 'TimedOut'] as const;
const counts = z.record(z.string(), z.number());
const time = z.iso.datetime();

const execution = z
  .object({
    executionId: z.string(),
    type: z.enum(['Crawl', 'Maintenance']),
    name: z.string(),
    schedule: z.string().optional(),
    trigger: z.string(),
    scheduledTime: time.optional(),
    startedAt: time.optional(),
    finishedAt: time,
    outcome: z.enum(OUTCOMES),
    reason: z.string().optional(),
    message: z.string().optional(),
    succeeded: z.int(),
    failed: z.int(),
    skipped: z.int(),
    items: z.int(),
    bytes: z.int(),
    failedBy: counts,
    skippedBy: counts,
  })
  .openapi('Execution');

const changeCounts = z.object({
  with: z.string().nullable().describe('The run before.'),
  specChanged: z.boolean().describe('Changes may be those of the spec and not of the site.'),
  urls: counts,
  items: counts,
  leftOutRows: z.int(),
});
const details = execution
  .extend({
    image: z.string().optional(),
    open: z.int().describe('Pages that had not ended.'),
    changes: counts.optional().describe('Pages by what became of their items.'),
    compared: changeCounts.optional().describe('Against the run before, once that is counted.'),
    work: counts.optional().describe('Of maintenance: what it did.'),
    sources: z.array(z.record(z.string(), z.unknown())).describe('The first 100.'),
    firstItems: z.array(z.object({ source: z.string(), url: z.string(), data: z.unknown() })),
  })
  .openapi('ExecutionDetails');

export type ExecutionRow = z.output<typeof execution>;
export type ExecutionFacts = z.output<typeof details>;

const list = createRoute({
  method: 'get',
  path: '/api/v1/namespaces/{namespace}/executions',
  tags: ['Runs'],
  summary: 'What has ended, the newest first: runs, also those whose resources are gone, and maintenance.',
  request: {
    params: inNamespace,
    query: pageQuery.extend({
      schedule: objectName.optional(),
      run: storableText(253).optional().describe('Those of this name.'),
      type: z.enum(['Crawl', 'Maintenance']).optional(),
      outcome: z.enum(OUTCOMES).optional(),
      trigger: z.enum(TRIGGER_TYPES).optional(),
    }),
  },
  responses: answers(z.object({ items: z.array(execution), nextCursor }), 'A page.'),
});

const get = createRoute({
  method: 'get',
  path: '/api/v1/namespaces/{namespace}/executions/{executionId}',
  tags: ['Runs'],
  summary: 'All that stays of one: also its sources, its first items, and how it compares with the run before.',
  request: { params: inNamespace.extend({ executionId: z.guid() }) },
  responses: answers(details, 'What stays.'),
});

const before = z.object({ at: databaseTime, id: z.guid() });

export function executionRoutes(parts: ServerParts) {
  const routes = createRoutes();
  routes.openapi(list, async (c) => {
    const { namespace } = c.req.valid('param');
    const { limit, cursor, schedule, run, type, outcome, trigger } = c.req.valid('query');
    await parts.access.require(c.get('identity'), { verb: 'list', resource: 'crawlruns', namespace });
    const position = decodeCursor(before, cursor);
    const rows = await databaseOf(parts).executions(
      {
        ...{ namespace, limit },
        ...(schedule === undefined ? {} : { schedule }),
        ...(run === undefined ? {} : { run }),
        ...(type === undefined ? {} : { type }),
        ...(outcome === undefined ? {} : { outcome }),
        ...(trigger === undefined ? {} : { trigger }),
        ...(position === undefined ? {} : { before: position }),
      },
      signalOf(c),
    );
    const last = rows.length === limit ? rows.at(-1) : undefined;
    const next = last === undefined ? {} : { nextCursor: encodeCursor({ at: last.position, id: last.executionId }) };
    return c.json({ items: rows.map(shownExecution), ...next }, 200);
  });

  routes.openapi(get, async (c) => {
    const { namespace, executionId } = c.req.valid('param');
    await parts.access.require(c.get('identity'), { verb: 'list', resource: 'crawlruns', namespace });
    const found = await databaseOf(parts).execution(namespace, executionId, signalOf(c));
    if (found === undefined) {
      throw new ProblemError('NotFound', `nothing is kept of an execution "${executionId}" in "${namespace}"`);
    }
    return c.json(shownDetails(found), 200);
  });

  return routes;
}

function shownExecution(row: Execution): ExecutionRow {
  return {
    ...{ executionId: row.executionId, type: row.type, name: row.name, trigger: row.trigger },
    ...(row.scheduleName === undefined ? {} : { schedule: row.scheduleName }),
    ...(row.scheduledTime === undefined ? {} : { scheduledTime: row.scheduledTime.toISOString() }),
    ...(row.startedAt === undefined ? {} : { startedAt: row.startedAt.toISOString() }),
    ...{ finishedAt: row.finishedAt.toISOString(), outcome: row.outcome },
    ...(row.reason === undefined ? {} : { reason: row.reason }),
    ...(row.message === undefined ? {} : { message: row.message }),
    ...{ succeeded: row.succeeded, failed: row.failed, skipped: row.skipped, items: row.items, bytes: row.bytes },
    ...{ failedBy: { ...row.failedBy }, skippedBy: { ...row.skippedBy } },
  };
}

function shownDetails(row: ExecutionDetails): z.output<typeof details> {
  const { compared } = row;
  return {
    ...shownExecution(row),
    ...(row.image === undefined ? {} : { image: row.image }),
    open: row.open,
    ...(row.changes === undefined ? {} : { changes: { ...row.changes } }),
    ...(compared === undefined
      ? {}
      : { compared: { ...compared, urls: { ...compared.urls }, items: { ...compared.items } } }),
    ...(row.work === undefined ? {} : { work: { ...row.work } }),
    sources: row.sources.map((source) => ({ ...source })),
    firstItems: row.firstItems.map((item) => ({ ...item })),
  };
}
