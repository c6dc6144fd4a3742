// All items of a run as a file, page by page as the caller takes them: memory does not grow with the run.
import { createRoute, z } from '@hono/zod-openapi';
import type { RunItem } from '../../store/run-items.ts';
import { createRoutes, named, signalOf } from '../http/env.ts';
import { ProblemError, problemSchema } from '../http/problem.ts';
import { databaseOf, type ServerParts } from '../parts.ts';

const TYPES = { jsonl: 'application/x-ndjson', json: 'application/json' } as const;

const text = { schema: z.string() };
const exported = createRoute({
  method: 'get',
  path: '/api/v1/namespaces/{namespace}/runs/{name}/export',
  tags: ['Results'],
  summary: 'All items of a run in the order in which they were stored, as JSON Lines or as one JSON list.',
  request: { params: named, query: z.object({ format: z.enum(['jsonl', 'json']).default('jsonl') }) },
  responses: {
    200: {
      description: 'The items, as application/x-ndjson or application/json. An answer that is cut off is not whole.',
      content: { 'application/x-ndjson': text },
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
    const pages = await databaseOf(parts).exportRun(namespace, name, signalOf(c), c.req.raw.signal);
    if (pages === undefined) {
      throw new ProblemError('NotFound', `there are no results of a run "${name}" in the namespace "${namespace}"`);
    }
    c.header('content-type', TYPES[format]);
    c.header('content-disposition', `attachment; filename="${name.replaceAll(/[^\w.-]/g, '_')}.${format}"`);
    const body = ReadableStream.from(format === 'json' ? jsonList(name, pages) : jsonLines(name, pages));
    // The library's types of answers know JSON and text alone.
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
