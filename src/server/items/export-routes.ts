// All items of a run as a file, page by page as the caller takes them: memory does not grow with the run.
import { createRoute, z } from '@hono/zod-openapi';
import { csvRows, valuesOf } from '../../formats/csv.ts';
import type { RunItem } from '../../store/run-items.ts';
import { createRoutes, named, signalOf } from '../http/env.ts';
import { ProblemError, problemSchema } from '../http/problem.ts';
import { databaseOf, type ServerParts } from '../parts.ts';

const TYPES = { jsonl: 'application/x-ndjson', json: 'application/json', csv: 'text/csv; charset=utf-8' } as const;

const exportedItem = z
  .object({
    ...{ itemId: z.string(), run: z.string(), source: z.string(), url: z.string() },
    data: z.record(z.string(), z.unknown()),
  })
  .openapi('ExportedItem');
const exported = createRoute({
  method: 'get',
  path: '/api/v1/namespaces/{namespace}/runs/{name}/export',
  tags: ['Results'],
  summary: 'All items of a run in the order in which they were stored, as JSON Lines, one JSON list, or CSV.',
  request: { params: named, query: z.object({ format: z.enum(['jsonl', 'json', 'csv']).default('jsonl') }) },
  responses: {
    200: {
      description: 'The items. An answer that is cut off is not whole.',
      content: {
        'application/x-ndjson': { schema: z.string() },
        'application/json': { schema: z.array(exportedItem) },
        'text/csv': { schema: z.string() },
      },
    },
    default: { description: 'What went wrong.', content: { 'application/problem+json': { schema: problemSchema } } },
  },
});

export function exportRoutes(parts: ServerParts) {
  const routes = createRoutes();
  routes.openapi(exported, async (c) => {
    const { namespace, name } = c.req.valid('param');
    const { format } = c.req.valid('query');
    await parts.access.require(c.get('identity'), { verb: 'get', resource: 'crawlruns', namespace, name });
    // It may take as long as the caller takes; each page has the time-out of a statement.
    const found = await databaseOf(parts).exportRun(namespace, name, signalOf(c), c.req.raw.signal);
    if (found === undefined) {
      throw new ProblemError('NotFound', `there are no results of a run "${name}" in the namespace "${namespace}"`);
    }
    c.header('content-type', TYPES[format]);
    c.header('content-disposition', `attachment; filename="${name.replaceAll(/[^\w.-]/g, '_')}.${format}"`);
    // Read before anything is sent: the columns of CSV are in its first line.
    const fields = format === 'csv' ? await found.fields(signalOf(c)) : [];
    const texts = {
      json: () => jsonList(name, found.pages),
      jsonl: () => jsonLines(name, found.pages),
      csv: () => csvLines(name, fields, found.pages),
    }[format];
    const body = ReadableStream.from(texts());
    // The library's types of answers know no streams.
    return c.body(body.pipeThrough(new TextEncoderStream())) as never;
  });
  return routes;
}

type Pages = AsyncIterable<readonly RunItem[]>;

const rowOf = (run: string, { id, source, url, data }: RunItem) =>
  JSON.stringify({ itemId: id, run, source, url, data });

export async function* jsonLines(run: string, pages: Pages): AsyncGenerator<string> {
  for await (const page of pages) yield page.map((item) => `${rowOf(run, item)}\n`).join('');
}

export async function* jsonList(run: string, pages: Pages): AsyncGenerator<string> {
  let before = '[';
  for await (const page of pages) {
    yield before + page.map((item) => rowOf(run, item)).join(',\n');
    before = ',\n';
  }
  yield before === '[' ? '[]\n' : ']\n';
}

const ORIGIN = ['itemId', 'run', 'source', 'url'];

/** A field of the same name goes before where an item comes from. */
export async function* csvLines(run: string, fields: readonly string[], pages: Pages): AsyncGenerator<string> {
  const columns = [...new Set([...ORIGIN, ...fields.toSorted()])];
  yield csvRows([columns]);
  for await (const page of pages) {
    yield csvRows(
      page.map(({ id, source, url, data }) => valuesOf({ itemId: id, run, source, url, ...data }, columns)),
    );
  }
}
