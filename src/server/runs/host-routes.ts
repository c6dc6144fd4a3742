// What is done with a host of a live run: what was learnt against it is taken back.
import { createRoute, z } from '@hono/zod-openapi';
import { answers, body, createRoutes, named, signalOf } from '../http/env.ts';
import { storableText } from '../http/inputs.ts';
import { ProblemError } from '../http/problem.ts';
import { databaseOf, type ServerParts } from '../parts.ts';
import { findRun } from './run-routes.ts';

const before = z
  .object({
    host: z.string(),
    slowdown: z.int().describe('How many times more slowly it was asked.'),
    proxyUntil: z.string().optional().describe('Until when it was asked by the proxy.'),
  })
  .openapi('HostReset');
export type HostReset = z.output<typeof before>;

const reset = createRoute({
  ...{ method: 'post', path: '/api/v1/namespaces/{namespace}/runs/{name}/hosts/reset', tags: ['Runs'] },
  summary: 'Ask a host at its own pace and on the direct way again, for all runs of the namespace.',
  request: { params: named, body: body(z.strictObject({ host: storableText(261).min(1) })) },
  responses: answers(before, 'What it was before.'),
});

export function hostRoutes(parts: ServerParts) {
  const { runs, access, audit } = parts;
  const routes = createRoutes();
  routes.openapi(reset, async (c) => {
    const ref = c.req.valid('param');
    const { host } = c.req.valid('json');
    await access.require(c.get('identity'), { verb: 'patch', resource: 'crawlruns', ...ref });
    const run = await findRun(runs, ref, signalOf(c));
    const was = await databaseOf(parts).resetHost(run.metadata.uid, host, signalOf(c));
    if (was === undefined) {
      throw new ProblemError(
        'NotFound',
        `no page of the run "${ref.name}" waits at a host "${host}", nor has it refused one`,
      );
    }
    const { slowdown, proxyUntil } = was;
    const proxied = proxyUntil === null ? '' : `, by the proxy until ${proxyUntil}`;
    audit('HostReset', run, c.get('identity'), { before: run, detail: `${host}: slowed ${slowdown} times${proxied}` });
    return c.json({ host, slowdown, ...(proxyUntil === null ? {} : { proxyUntil }) }, 200);
  });
  return routes;
}
