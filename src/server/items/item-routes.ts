// What runs found: items, the newest first.
import { createRoute, z } from '@hono/zod-openapi';
import { decodeCursor, encodeCursor, nextCursor, pageQuery } from '../http/cursor.ts';
import { answers, createRoutes, inNamespace, named, signalOf } from '../http/env.ts';
import { bigKey, objectName, storableText } from '../http/inputs.ts';
import { databaseOf, type ServerParts } from '../parts.ts';

const tags = ['Results'];
const source = storableText(63).optional();

const item = z
  .object({
    itemId: z.string(),
    run: z.string(),
    source: z.string(),
    url: z.string(),
    time: z.iso.datetime(),
    data: z.record(z.string(), z.unknown()),
  })
  .openapi('Item');
export type ItemRow = z.output<typeof item>;
const items = answers(z.object({ items: z.array(item), nextCursor }), 'A page.');

const ofNamespace = createRoute({
  ...{ method: 'get', path: '/api/v1/namespaces/{namespace}/items', tags, responses: items },
  summary: 'Items of the newest 200 runs, the newest first: `?limit=1` is the newest one.',
  request: { params: inNamespace, query: pageQuery.extend({ schedule: objectName.optional(), source }) },
});
const ofRun = createRoute({
  ...{ method: 'get', path: '/api/v1/namespaces/{namespace}/runs/{name}/items', tags, responses: items },
  summary: 'Items of a run, the newest first.',
  request: { params: named, query: pageQuery.extend({ source }) },
});

const beforeItem = z.object({ before: bigKey });

type ItemFilter = {
  readonly run?: string;
  readonly schedule?: string | undefined;
  readonly source?: string | undefined;
};

export function itemRoutes(parts: ServerParts) {
  const { access } = parts;
  const routes = createRoutes();

  async function page(
    namespace: string,
    { run, schedule, source: from }: ItemFilter,
    { limit, cursor }: z.output<typeof pageQuery>,
    signal: AbortSignal,
  ) {
    const position = decodeCursor(beforeItem, cursor);
    const rows = await databaseOf(parts).items(
      {
        ...{ namespace, limit },
        ...(run === undefined ? {} : { run }),
        ...(schedule === undefined ? {} : { schedule }),
        ...(from === undefined ? {} : { source: from }),
        ...(position === undefined ? {} : position),
      },
      signal,
    );
    const last = rows.length === limit ? rows.at(-1) : undefined;
    return {
      items: rows.map((row) => ({ ...row, time: row.time.toISOString() })),
      ...(last === undefined ? {} : { nextCursor: encodeCursor({ before: last.itemId }) }),
    };
  }

  routes.openapi(ofNamespace, async (c) => {
    const { namespace } = c.req.valid('param');
    const { schedule, source: from, ...rest } = c.req.valid('query');
    await access.require(c.get('identity'), { verb: 'list', resource: 'crawlruns', namespace });
    return c.json(await page(namespace, { schedule, source: from }, rest, signalOf(c)), 200);
  });

  routes.openapi(ofRun, async (c) => {
    const { namespace, name } = c.req.valid('param');
    const { source: from, ...rest } = c.req.valid('query');
    await access.require(c.get('identity'), { verb: 'get', resource: 'crawlruns', namespace, name });
    return c.json(await page(namespace, { run: name, source: from }, rest, signalOf(c)), 200);
  });

  return routes;
}
