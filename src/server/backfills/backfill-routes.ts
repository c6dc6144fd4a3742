// CrawlBackfills: have one planned, look at the plan, approve it, pause, resume, cancel. The operator plans and makes the runs.
import { createRoute, z } from '@hono/zod-openapi';
import { BACKFILL_CHANGES, backfillEnd, newBackfill } from '../../custom-resources/backfill-actions.ts';
import type { CrawlBackfill } from '../../custom-resources/types.ts';
import { findCondition } from '../../kube/conditions.ts';
import { BACKFILL_PHASES, crawlBackfillSpec } from '../../resources/crawl-backfill.ts';
import type { AuditedAction } from '../audit/audit.ts';
import type { Caller } from '../auth/identity.ts';
import { nextCursor, pageQuery } from '../http/cursor.ts';
import { answers, body, created, createRoutes, inNamespace, named, signalOf } from '../http/env.ts';
import { etagOf } from '../http/etag.ts';
import { fieldSelectorOf } from '../http/field-selector.ts';
import { objectName } from '../http/inputs.ts';
import { ProblemError } from '../http/problem.ts';
import { resourcePage } from '../http/resource-page.ts';
import { backfillSchema, shown } from '../http/resources.ts';
import type { ServerParts } from '../parts.ts';
import { findSchedule } from '../schedules/schedule-routes.ts';

const collection = '/api/v1/namespaces/{namespace}/backfills';
const single = `${collection}/{name}`;
const tags = ['Backfills'];
const { from, to, reprocess, maxActive, approvedPlan } = crawlBackfillSpec.shape;

const list = createRoute({
  ...{ method: 'get', path: collection, tags, summary: 'Backfills of a namespace, by name.' },
  request: {
    params: inNamespace,
    query: pageQuery.extend({ schedule: objectName.optional(), phase: z.enum(BACKFILL_PHASES).optional() }),
  },
  responses: answers(z.object({ items: z.array(backfillSchema), nextCursor }), 'A page.'),
});
const get = createRoute({
  ...{ method: 'get', path: single, tags },
  summary: 'One backfill, with its plan in `status.plan` and `status.runs`, and how its runs fare.',
  request: { params: named },
  responses: answers(backfillSchema, 'The backfill.'),
});
const plan = createRoute({
  ...{ method: 'post', path: collection, tags },
  summary: 'Have a backfill planned: no run is made before its plan is approved.',
  request: {
    params: inNamespace,
    body: body(z.strictObject({ schedule: objectName, from, to, reprocess, maxActive })),
  },
  responses: created(backfillSchema, 'The backfill; the operator shows its plan within seconds.'),
});
const submit = createRoute({
  ...{ method: 'post', path: `${single}/submit`, tags },
  summary: 'Approve the plan of a backfill: its runs are made, unless the plan has become another one.',
  request: {
    params: named,
    body: body(z.strictObject({ plan: approvedPlan.unwrap().describe('The hash in `status.plan`, as it was shown.') })),
  },
  responses: answers(backfillSchema, 'The backfill as it was stored.'),
});

function changeRoute(verb: keyof typeof BACKFILL_CHANGES, summary: string) {
  return createRoute({
    ...{ method: 'post', path: `${single}/${verb}`, tags, summary },
    request: { params: named },
    responses: answers(backfillSchema, 'The backfill as it was stored.'),
  });
}

const CHANGES = [
  ['pause', 'Paused', 'Make no more of its runs for now; those that are there go on.'],
  ['resume', 'Resumed', 'Go on making its runs.'],
  ['cancel', 'Cancelled', 'Make no more of its runs for good, and stop those that are there.'],
] as const;

type Ref = { readonly namespace: string; readonly name: string };

export function backfillRoutes({ backfills, schedules, access, audit, now }: ServerParts) {
  const routes = createRoutes();
  const resource = 'crawlbackfills';
  const mayBackfill = (caller: Caller, namespace: string) =>
    access.require(caller, { verb: 'backfill', resource: 'crawlruns', namespace });

  routes.openapi(list, async (c) => {
    const { namespace } = c.req.valid('param');
    const { limit, cursor, schedule, phase } = c.req.valid('query');
    await access.require(c.get('identity'), { verb: 'list', resource, namespace });
    const fieldSelector = fieldSelectorOf({ schedule, phase });
    const query = { namespace, limit, cursor, labelSelector: undefined, fieldSelector };
    return c.json(await resourcePage(backfills, query, signalOf(c)), 200);
  });

  routes.openapi(get, async (c) => {
    const ref = c.req.valid('param');
    await access.require(c.get('identity'), { verb: 'get', resource, ...ref });
    const found = await findBackfill(ref, signalOf(c));
    c.header('etag', etagOf(found));
    return c.json(shown(found), 200);
  });

  routes.openapi(plan, async (c) => {
    const { namespace } = c.req.valid('param');
    const { schedule: name, ...wanted } = c.req.valid('json');
    await mayBackfill(c.get('identity'), namespace);
    const schedule = await findSchedule(schedules, { namespace, name }, signalOf(c));
    const made = await backfills.create(newBackfill(schedule, wanted, now()), { signal: signalOf(c) });
    audit('Created', made, c.get('identity'));
    c.header('etag', etagOf(made));
    c.header('location', `/api/v1/namespaces/${namespace}/backfills/${made.metadata.name}`);
    return c.json(shown(made), 201);
  });

  routes.openapi(submit, async (c) => {
    const ref = c.req.valid('param');
    const { plan: hash } = c.req.valid('json');
    await mayBackfill(c.get('identity'), ref.namespace);
    const before = await findBackfill(ref, signalOf(c));
    const trouble = troubleOfPlan(before, hash);
    if (trouble !== undefined) throw new ProblemError('Conflict', trouble);
    return c.json(
      shown(await change(ref, before, { approvedPlan: hash }, 'PlanApproved', c.get('identity'), signalOf(c))),
      200,
    );
  });

  for (const [verb, action, summary] of CHANGES) {
    routes.openapi(changeRoute(verb, summary), async (c) => {
      const ref = c.req.valid('param');
      await mayBackfill(c.get('identity'), ref.namespace);
      const before = await findBackfill(ref, signalOf(c));
      const stored = await change(ref, before, BACKFILL_CHANGES[verb], action, c.get('identity'), signalOf(c));
      return c.json(shown(stored), 200);
    });
  }

  /** Rejects with a Conflict for one that has come to its end. */
  async function change(
    ref: Ref,
    before: CrawlBackfill,
    spec: Partial<CrawlBackfill['spec']>,
    action: AuditedAction,
    caller: Caller,
    signal: AbortSignal,
  ): Promise<CrawlBackfill> {
    const end = backfillEnd(before);
    if (end !== undefined) throw new ProblemError('Conflict', end);
    const stored = await backfills.patch(ref, { type: 'merge', body: { spec } }, { signal });
    audit(action, stored, caller, { before });
    return stored;
  }

  /** Rejects with a NotFound that names it. */
  async function findBackfill(ref: Ref, signal: AbortSignal): Promise<CrawlBackfill> {
    const found = await backfills.get(ref, { signal });
    if (found !== undefined) return found;
    throw new ProblemError('NotFound', `there is no backfill "${ref.name}" in the namespace "${ref.namespace}"`);
  }

  return routes;
}

/** Why this plan cannot be approved; undefined when it is the one that is shown. Whether it still holds the operator says. */
export function troubleOfPlan({ status }: CrawlBackfill, hash: string): string | undefined {
  const approved = status?.approvedPlan;
  if (approved !== undefined && approved !== hash) return `the plan ${approved} was approved before`;
  if (status?.plan?.hash === hash) return undefined;
  if (status?.plan !== undefined) return `the plan is ${status.plan.hash} by now: look at it again`;
  const planned = findCondition(status?.conditions, 'Planned');
  return `there is no plan: ${planned?.message ?? 'the operator has not looked at the backfill yet'}`;
}
