// CrawlSchedules: list, get, create, replace, patch, delete. What is in a spec is checked by the API server, field by field.
import { createRoute, z } from '@hono/zod-openapi';
import type { CrawlSchedule } from '../../custom-resources/types.ts';
import type { ObjectRef } from '../../kube/kube-object.ts';
import { defined } from '../../resources/defined.ts';
import { nextCursor, pageQuery } from '../http/cursor.ts';
import { answers, body, conditional, created, createRoutes, inNamespace, named, signalOf } from '../http/env.ts';
import { etagOf, expectedVersion } from '../http/etag.ts';
import { ProblemError } from '../http/problem.ts';
import { resourcePage } from '../http/resource-page.ts';
import { newSchedule, replacedSchedule, schedulePatch, scheduleSchema, shown } from '../http/resources.ts';
import type { ServerParts } from '../parts.ts';
import { checkTimes } from './timetables.ts';

const collection = '/api/v1/namespaces/{namespace}/schedules';
const single = `${collection}/{name}`;
const tags = ['Schedules'];

const list = createRoute({
  ...{ method: 'get', path: collection, tags, summary: 'Schedules of a namespace, by name.' },
  request: { params: inNamespace, query: pageQuery.extend({ labelSelector: z.string().max(1_024).optional() }) },
  responses: answers(z.object({ items: z.array(scheduleSchema), nextCursor }), 'A page.'),
});
const get = createRoute({
  ...{ method: 'get', path: single, tags, summary: 'One schedule, with its version as ETag.' },
  request: { params: named },
  responses: answers(scheduleSchema, 'The schedule.'),
});
const create = createRoute({
  ...{ method: 'post', path: collection, tags, summary: 'Make a schedule.' },
  request: { params: inNamespace, body: body(newSchedule) },
  responses: created(scheduleSchema, 'The schedule as it was stored, with its defaults.'),
});
const replace = createRoute({
  ...{ method: 'put', path: single, tags, summary: 'Give a schedule another spec, labels and annotations.' },
  request: { params: named, headers: conditional, body: body(replacedSchedule) },
  responses: answers(scheduleSchema, 'The schedule as it was stored.'),
});
const patch = createRoute({
  ...{ method: 'patch', path: single, tags, summary: 'Change a part of a schedule.' },
  request: { params: named, headers: conditional, body: body(schedulePatch) },
  responses: answers(scheduleSchema, 'The schedule as it was stored.'),
});
const remove = createRoute({
  ...{ method: 'delete', path: single, tags, summary: 'Delete a schedule and its runs.' },
  request: { params: named, headers: conditional },
  responses: answers(z.object({ deleted: z.string() }), 'It is being deleted.'),
});

const resource = 'crawlschedules';

export function scheduleRoutes({ schedules, access, audit }: ServerParts) {
  const routes = createRoutes();

  routes.openapi(list, async (c) => {
    const { namespace } = c.req.valid('param');
    const { limit, cursor, labelSelector } = c.req.valid('query');
    await access.require(c.get('identity'), { verb: 'list', resource, namespace });
    const page = await resourcePage(schedules, { namespace, limit, cursor, labelSelector }, signalOf(c));
    return c.json(page, 200);
  });

  routes.openapi(get, async (c) => {
    const ref = c.req.valid('param');
    await access.require(c.get('identity'), { verb: 'get', resource, ...ref });
    const found = await findSchedule(schedules, ref, signalOf(c));
    c.header('etag', etagOf(found));
    return c.json(shown(found), 200);
  });

  routes.openapi(create, async (c) => {
    const { namespace } = c.req.valid('param');
    const { metadata, spec } = c.req.valid('json');
    await access.require(c.get('identity'), { verb: 'create', resource, namespace });
    checkTimes(spec);
    const { labels, annotations } = metadata;
    const made = await schedules.create(
      {
        metadata: {
          ...{ namespace, name: metadata.name },
          ...(labels === undefined ? {} : { labels }),
          ...(annotations === undefined ? {} : { annotations }),
        },
        spec: spec as CrawlSchedule['spec'],
      },
      { signal: signalOf(c), fieldValidation: 'Strict' },
    );
    audit('Created', made, c.get('identity'));
    c.header('etag', etagOf(made));
    c.header('location', `/api/v1/namespaces/${namespace}/schedules/${made.metadata.name}`);
    return c.json(shown(made), 201);
  });

  routes.openapi(replace, async (c) => {
    const ref = c.req.valid('param');
    const { metadata, spec } = c.req.valid('json');
    await access.require(c.get('identity'), { verb: 'update', resource, ...ref });
    checkTimes(spec);
    const before = await findSchedule(schedules, ref, signalOf(c));
    const version = expectedVersion(c.req.valid('header')['if-match']) ?? before.metadata.resourceVersion;
    const { labels: _labels, annotations: _annotations, ...kept } = before.metadata;
    const after = { ...before, metadata: { ...kept, ...defined(metadata), resourceVersion: version } };
    const stored = await schedules.replace(
      { ...after, spec: spec as CrawlSchedule['spec'] },
      { signal: signalOf(c), fieldValidation: 'Strict' },
    );
    audit('Replaced', stored, c.get('identity'), { before });
    c.header('etag', etagOf(stored));
    return c.json(shown(stored), 200);
  });

  routes.openapi(patch, async (c) => {
    const ref = c.req.valid('param');
    const { metadata, spec } = c.req.valid('json');
    await access.require(c.get('identity'), { verb: 'patch', resource, ...ref });
    const before = await findSchedule(schedules, ref, signalOf(c));
    checkTimes(spec ?? {}, before.spec);
    const resourceVersion = expectedVersion(c.req.valid('header')['if-match']);
    const changed = { ...metadata, ...(resourceVersion === undefined ? {} : { resourceVersion }) };
    const stored = await schedules.patch(
      ref,
      { type: 'merge', body: { metadata: changed, ...(spec === undefined ? {} : { spec }) } },
      { signal: signalOf(c), fieldValidation: 'Strict' },
    );
    audit('Patched', stored, c.get('identity'), { before });
    c.header('etag', etagOf(stored));
    return c.json(shown(stored), 200);
  });

  routes.openapi(remove, async (c) => {
    const ref = c.req.valid('param');
    await access.require(c.get('identity'), { verb: 'delete', resource, ...ref });
    const resourceVersion = expectedVersion(c.req.valid('header')['if-match']);
    const found = await findSchedule(schedules, ref, signalOf(c));
    await schedules.delete(ref, {
      signal: signalOf(c),
      preconditions: { uid: found.metadata.uid, ...(resourceVersion === undefined ? {} : { resourceVersion }) },
    });
    audit('Deleted', found, c.get('identity'));
    return c.json({ deleted: found.metadata.name }, 200);
  });

  return routes;
}

/** Rejects with a NotFound that names it. */
export async function findSchedule(
  schedules: ServerParts['schedules'],
  ref: ObjectRef & { readonly namespace: string },
  signal: AbortSignal,
): Promise<CrawlSchedule> {
  const found = await schedules.get(ref, { signal });
  if (found !== undefined) return found;
  throw new ProblemError('NotFound', `there is no schedule "${ref.name}" in the namespace "${ref.namespace}"`);
}
