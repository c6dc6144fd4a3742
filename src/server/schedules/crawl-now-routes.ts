// POST /api/v1/crawl-now: one schedule, those that a label selector finds, or all active ones of a namespace.
import { createRoute, z } from '@hono/zod-openapi';
import type { CrawlRun, CrawlSchedule } from '../../custom-resources/types.ts';
import { isFinished, phaseOf } from '../../custom-resources/types.ts';
import { answers, body, createRoutes, inNamespace, signalOf } from '../http/env.ts';
import { idempotent } from '../http/idempotency.ts';
import { namespaceName, objectName } from '../http/inputs.ts';
import { ProblemError } from '../http/problem.ts';
import type { ServerParts } from '../parts.ts';
import { crawlNow, started } from './crawl-now.ts';
import { batchSelector } from './schedule-action-routes.ts';
import { findSchedule } from './schedule-routes.ts';

/** Most runs that one request makes. */
const MOST_RUNS = 500;

const request = z.strictObject({
  namespace: namespaceName,
  schedule: objectName.optional().describe('One schedule; all that are not suspended when left out.'),
  source: z.string().min(1).max(63).optional().describe('One source of that schedule.'),
  labelSelector: z.string().min(1).max(1_024).optional().describe('Schedules with these labels.'),
});

const start = createRoute({
  ...{ method: 'post', path: '/api/v1/crawl-now', tags: ['Runs'], summary: 'Crawl now.' },
  request: { body: body(request), headers: idempotent },
  responses: answers(started, 'What was started, before it has begun.'),
});

const batchProgress = z
  .object({
    batchId: z.string(),
    runs: z.array(z.object({ name: z.string(), schedule: z.string(), phase: z.string() })),
    finished: z.int(),
    total: z.int().describe('URLs known of.'),
    crawled: z.int(),
    failed: z.int(),
    items: z.int(),
    percentage: z.number().describe('Of the URLs known of, with two decimals.'),
  })
  .openapi('BatchProgress');

const progress = createRoute({
  method: 'get',
  path: '/api/v1/namespaces/{namespace}/batches/{batchId}',
  tags: ['Runs'],
  summary: 'How far the runs of one request have come, together.',
  request: { params: inNamespace.extend({ batchId: z.uuid() }) },
  responses: answers(batchProgress, 'The sum over its runs.'),
});

export function crawlNowRoutes(parts: ServerParts) {
  const { schedules, runs, access } = parts;
  const routes = createRoutes();

  routes.openapi(start, async (c) => {
    const { namespace, schedule: name, source, labelSelector } = c.req.valid('json');
    const identity = c.get('identity');
    if (name === undefined && source !== undefined) {
      const errors = [{ field: 'schedule', message: 'is needed with a source' }];
      throw new ProblemError('BadRequest', 'schedule: is needed with a source', { errors });
    }
    await access.require(identity, {
      ...{ verb: 'run', resource: 'crawlschedules', namespace },
      ...(name === undefined ? {} : { name }),
    });
    const signal = signalOf(c);
    const wanted =
      name === undefined
        ? await activeSchedules(
            schedules,
            { namespace, ...(labelSelector === undefined ? {} : { labelSelector }) },
            signal,
          )
        : [await findSchedule(schedules, { namespace, name }, signal)];
    const key = c.req.valid('header')['idempotency-key'];
    const choice = { ...(source === undefined ? {} : { source }), key, isOfAll: name === undefined };
    return c.json(await crawlNow(parts, wanted, choice, identity, signal), 200);
  });

  routes.openapi(progress, async (c) => {
    const { namespace, batchId } = c.req.valid('param');
    await access.require(c.get('identity'), { verb: 'list', resource: 'crawlruns', namespace });
    const labelSelector = batchSelector(batchId);
    const { items } = await runs.list({ namespace, labelSelector, limit: MOST_RUNS, signal: signalOf(c) });
    if (items.length === 0) {
      throw new ProblemError('NotFound', `there is no run of the request "${batchId}" in the namespace "${namespace}"`);
    }
    return c.json(sumOf(batchId, items), 200);
  });

  return routes;
}

/** Throws a NotFound when there is none, and a BadRequest when there are too many. */
async function activeSchedules(
  schedules: ServerParts['schedules'],
  selector: { readonly namespace: string; readonly labelSelector?: string },
  signal: AbortSignal,
): Promise<CrawlSchedule[]> {
  const { items, continueToken } = await schedules.list({ ...selector, limit: MOST_RUNS, signal });
  if (continueToken !== undefined) {
    throw new ProblemError('BadRequest', `more than ${MOST_RUNS} schedules are meant: choose some with labelSelector`);
  }
  const active = items.filter(({ spec }) => spec.suspend !== true);
  if (active.length === 0) {
    throw new ProblemError('NotFound', `there is no such active schedule in the namespace "${selector.namespace}"`);
  }
  return active;
}

/** Pure; `percentage` is 0 while nothing is known. */
export function sumOf(batchId: string, runs: readonly CrawlRun[]): z.output<typeof batchProgress> {
  const sum = (key: 'total' | 'succeeded' | 'failed' | 'items') =>
    runs.reduce((all, { status }) => all + (status?.progress?.[key] ?? 0), 0);
  const total = sum('total');
  const crawled = sum('succeeded') + sum('failed');
  return {
    batchId,
    runs: runs.map((run) => ({
      name: run.metadata.name,
      schedule: run.spec.scheduleName ?? '',
      phase: phaseOf(run),
    })),
    finished: runs.filter(isFinished).length,
    ...{ total, crawled, failed: sum('failed'), items: sum('items') },
    percentage: total === 0 ? 0 : Math.round((crawled / total) * 10_000) / 100,
  };
}
