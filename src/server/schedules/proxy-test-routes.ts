// Whether the proxy of a schedule works: tried by a run of one document, since its Secret is read in the pods of runs alone.
import { createRoute, z } from '@hono/zod-openapi';
import { firstStartUrl, isProxyTest, proxyTestRun } from '../../custom-resources/proxy-test-run.ts';
import { createRun } from '../../custom-resources/run-actions.ts';
import { answers, body, created, createRoutes, named, signalOf } from '../http/env.ts';
import { ProblemError } from '../http/problem.ts';
import { databaseOf, type ServerParts } from '../parts.ts';
import { findingOf, PROXY_VERDICTS } from './proxy-verdict.ts';
import { findSchedule } from './schedule-routes.ts';

const tags = ['Schedules'];

const begin = createRoute({
  ...{ method: 'post', path: '/api/v1/namespaces/{namespace}/schedules/{name}/proxy-test', tags },
  summary: 'Try the proxy of a schedule out: a run asks for one document by it.',
  request: {
    params: named,
    body: body(
      z.strictObject({
        url: z
          .url({ protocol: /^https?$/ })
          .max(2_048)
          .optional()
          .describe(
            'What is asked for; the first start URL when left out. A page that tells the address of who asks shows the exit of the proxy.',
          ),
      }),
    ),
  },
  responses: created(
    z.object({ run: z.string(), url: z.string() }).openapi('BegunProxyTest'),
    'The run; GET …/runs/{name}/proxy-test tells what it has shown.',
  ),
});

const finding = z
  .object({
    run: z.string(),
    url: z.string().optional(),
    verdict: z
      .enum(PROXY_VERDICTS)
      .describe(
        'Waiting: no answer yet. Works: the site has answered by the proxy. Fails: the proxy cannot be reached, or refuses. Unclear: the site did not answer. NotTried: the run ended before.',
      ),
    status: z.int().optional().describe("Of the site's answer."),
    durationMs: z.number().optional().describe('Until the whole document was there.'),
    exitAddress: z.string().optional().describe('The address that the page tells, where it tells one.'),
    cause: z.string().optional(),
    message: z.string().optional(),
  })
  .openapi('ProxyTest');

const result = createRoute({
  ...{ method: 'get', path: '/api/v1/namespaces/{namespace}/runs/{name}/proxy-test', tags },
  summary: 'What a run that tries a proxy out has shown.',
  request: { params: named },
  responses: answers(finding, 'The finding.'),
});

export function proxyTestRoutes(parts: ServerParts) {
  const { schedules, runs, access, audit, now } = parts;
  const routes = createRoutes();

  routes.openapi(begin, async (c) => {
    const ref = c.req.valid('param');
    const identity = c.get('identity');
    await access.require(identity, { verb: 'run', resource: 'crawlschedules', ...ref });
    const schedule = await findSchedule(schedules, ref, signalOf(c));
    const url = c.req.valid('json').url ?? firstStartUrl(schedule);
    if (url === undefined) {
      const message = 'is needed: the schedule names no start URL';
      throw new ProblemError('BadRequest', `url: ${message}`, { errors: [{ field: 'url', message }] });
    }
    const wanted = proxyTestRun(schedule, url, now());
    if (wanted === undefined) throw new ProblemError('Conflict', `schedule "${ref.name}" has no proxy (spec.proxy)`);
    const made = await createRun(runs, wanted, signalOf(c));
    if (made === undefined) {
      throw new ProblemError('Conflict', 'its proxy is tried out in this very second already', { retryAfter: 1 });
    }
    audit('RunRequested', made, identity, { detail: `tries the proxy of ${ref.name} out by ${url}` });
    return c.json({ run: made.metadata.name, url }, 201);
  });

  routes.openapi(result, async (c) => {
    const ref = c.req.valid('param');
    await access.require(c.get('identity'), { verb: 'get', resource: 'crawlruns', ...ref });
    const run = await runs.get(ref, { signal: signalOf(c) });
    if (run === undefined || !isProxyTest(run)) {
      const detail = `there is no run "${ref.name}" in the namespace "${ref.namespace}" that tries a proxy out`;
      throw new ProblemError('NotFound', detail);
    }
    const page = await databaseOf(parts).firstPage({ namespace: ref.namespace, run: ref.name }, signalOf(c));
    const [url] = run.spec.sources.flatMap(({ urls = [] }) => urls);
    return c.json({ run: ref.name, ...(url === undefined ? {} : { url }), ...findingOf(run, page) }, 200);
  });

  return routes;
}
