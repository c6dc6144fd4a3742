// What the pods of a run have logged, while they are there and when they are gone, as lines.
import { createRoute, z } from '@hono/zod-openapi';
import { DURATION_PATTERN, durationMs } from '../../resources/duration.ts';
import { type LogsOptions, logs } from '../../store/log-lines.ts';
import { LOG_LEVELS } from '../../telemetry/logger.ts';
import { createRoutes, named, signalOf } from '../http/env.ts';
import { ProblemError, problemSchema } from '../http/problem.ts';
import { databaseOf, type ServerParts } from '../parts.ts';

const selection = z.object({
  tail: z.coerce.number().int().min(1).max(100_000).optional().describe('The last lines alone.'),
  since: z
    .string()
    .regex(DURATION_PATTERN, 'write a duration such as 90s, 10m or 2h')
    .max(20)
    .optional()
    .describe('Lines of the last time, such as `10m`.'),
  level: z.enum(LOG_LEVELS).optional().describe('Lines of this level and above.'),
  follow: z.enum(['true', 'false']).default('false').describe('Go on until the run has ended.'),
});

const read = createRoute({
  method: 'get',
  path: '/api/v1/namespaces/{namespace}/runs/{name}/logs',
  tags: ['Runs'],
  summary: 'What the pods of a run have logged, in the order of time, one JSON object a line.',
  request: { params: named, query: selection },
  responses: {
    200: { description: 'The lines.', content: { 'application/x-ndjson': { schema: z.string() } } },
    default: { description: 'What went wrong.', content: { 'application/problem+json': { schema: problemSchema } } },
  },
});

export function logRoutes(parts: ServerParts) {
  const routes = createRoutes();
  routes.openapi(read, async (c) => {
    const { namespace, name } = c.req.valid('param');
    const { tail, since, level, follow } = c.req.valid('query');
    await parts.access.require(c.get('identity'), { verb: 'get', resource: 'crawlruns', namespace, name });
    const store = databaseOf(parts).logs;
    if ((await store.runOf(namespace, name, signalOf(c))) === undefined) {
      throw new ProblemError('NotFound', `nothing is kept of a run "${name}" in the namespace "${namespace}"`);
    }
    const options: LogsOptions = {
      ...{ namespace, follow: follow === 'true' },
      ...(tail === undefined ? {} : { tail }),
      ...(since === undefined ? {} : { since: durationMs(since) }),
      ...(level === undefined ? {} : { level }),
    };
    c.header('content-type', 'application/x-ndjson');
    // It may take as long as the caller listens; each question to the database has the time-out of a statement.
    const body = ReadableStream.from(lines(logs(store, name, options, c.req.raw.signal)));
    return c.body(body.pipeThrough(new TextEncoderStream())) as never;
  });
  return routes;
}

async function* lines(texts: AsyncIterable<string>): AsyncGenerator<string> {
  for await (const text of texts) yield `${text}\n`;
}
