// CrawlRuns that are there: list, get, change while they live, delete.
import { createRoute, z } from '@hono/zod-openapi';
import type { CrawlRun } from '../../custom-resources/types.ts';
import type { ObjectRef } from '../../kube/kube-object.ts';
import { RUN_PHASES, TRIGGER_TYPES } from '../../resources/crawl-run.ts';
import { nextCursor, pageQuery } from '../http/cursor.ts';
import { answers, body, conditional, createRoutes, inNamespace, named, signalOf } from '../http/env.ts';
import { etagOf, expectedVersion } from '../http/etag.ts';
import { objectName } from '../http/inputs.ts';
import { ProblemError } from '../http/problem.ts';
import { runPatch, runSchema, shown } from '../http/resources.ts';
import type { ServerParts } from '../parts.ts';
import { runPage } from './run-page.ts';

const collection = '/api/v1/namespaces/{namespace}/runs';
const single = `${collection}/{name}`;
const tags = ['Runs'];

const filters = {
  schedule: objectName.optional(),
  phase: z.enum(RUN_PHASES).optional(),
  trigger: z.enum(TRIGGER_TYPES).optional(),
  labelSelector: z.string().max(1_024).optional(),
};

const list = createRoute({
  ...{
    method: 'get',
    path: collection,
    tags,
    summary: 'Runs that are there, by name; see executions for all of them.',
  },
  request: { params: inNamespace, query: pageQuery.extend(filters) },
  responses: answers(z.object({ items: z.array(runSchema), nextCursor }), 'A page.'),
});
const get = createRoute({
  ...{ method: 'get', path: single, tags, summary: 'One run, with its version as ETag.' },
  request: { params: named },
  responses: answers(runSchema, 'The run.'),
});
const patch = createRoute({
  ...{ method: 'patch', path: single, tags, summary: 'Change a run while it lives: rate, workers, limits, time-out.' },
  request: { params: named, headers: conditional, body: body(runPatch) },
  responses: answers(runSchema, 'The run as it was stored.'),
});
const remove = createRoute({
  ...{ method: 'delete', path: single, tags, summary: 'Delete a run; one that is at work is stopped.' },
  request: { params: named },
  responses: answers(z.object({ deleted: z.string() }), 'It is being deleted.'),
});

const resource = 'crawlruns';

export function runRoutes({ runs, knownRuns, access, audit }: ServerParts) {
  const routes = createRoutes();

  routes.openapi(list, async (c) => {
    const { namespace } = c.req.valid('param');
    const query = { namespace, ...c.req.valid('query') };
    await access.require(c.get('identity'), { verb: 'list', resource, namespace });
    const text = await runPage(runs, knownRuns, query, signalOf(c));
    return c.body(text, 200, { 'content-type': 'application/json' }) as never;
  });

  routes.openapi(get, async (c) => {
    const ref = c.req.valid('param');
    await access.require(c.get('identity'), { verb: 'get', resource, ...ref });
    const found = await findRun(runs, ref, signalOf(c));
    c.header('etag', etagOf(found));
    return c.json(shown(found), 200);
  });

  routes.openapi(patch, async (c) => {
    const ref = c.req.valid('param');
    const { spec } = c.req.valid('json');
    await access.require(c.get('identity'), { verb: 'patch', resource, ...ref });
    const resourceVersion = expectedVersion(c.req.valid('header')['if-match']);
    const before = await findRun(runs, ref, signalOf(c));
    const change = { ...(resourceVersion === undefined ? {} : { metadata: { resourceVersion } }), spec };
    const options = { signal: signalOf(c), fieldValidation: 'Strict' } as const;
    const stored = await runs.patch(ref, { type: 'merge', body: change }, options);
    audit('Patched', stored, c.get('identity'), { before, detail: `spec ${JSON.stringify(spec)}` });
    c.header('etag', etagOf(stored));
    return c.json(shown(stored), 200);
  });

  routes.openapi(remove, async (c) => {
    const ref = c.req.valid('param');
    await access.require(c.get('identity'), { verb: 'delete', resource, ...ref });
    const found = await findRun(runs, ref, signalOf(c));
    await runs.delete(ref, { signal: signalOf(c), preconditions: { uid: found.metadata.uid } });
    audit('Deleted', found, c.get('identity'));
    return c.json({ deleted: found.metadata.name }, 200);
  });

  return routes;
}

/** Rejects with a NotFound that names it. */
export async function findRun(
  runs: ServerParts['runs'],
  ref: ObjectRef & { readonly namespace: string },
  signal: AbortSignal,
): Promise<CrawlRun> {
  const found = await runs.get(ref, { signal });
  if (found !== undefined) return found;
  throw new ProblemError('NotFound', `there is no run "${ref.name}" in the namespace "${ref.namespace}"`);
}
