// Why a run is as it is, and the Events about it and its pods.
import { createRoute, z } from '@hono/zod-openapi';
import { explainRun } from '../../custom-resources/explain-run.ts';
import { readRunEvents, readRunEvidence } from '../../custom-resources/run-evidence.ts';
import type { ClusterEvent } from '../../kube/builtin-types.ts';
import { answers, createRoutes, named, signalOf } from '../http/env.ts';
import type { ServerParts } from '../parts.ts';
import { findRun } from './run-routes.ts';

const single = '/api/v1/namespaces/{namespace}/runs/{name}';
const tags = ['Runs'];
const shared = { tags, method: 'get', request: { params: named } } as const;

const explanation = z
  .object({
    run: z.string(),
    namespace: z.string(),
    phase: z.string(),
    since: z.string().optional(),
    findings: z.array(
      z.object({
        evidence: z.string().describe('Where it was seen.'),
        reason: z.string().optional(),
        message: z.string(),
        advice: z.string().optional(),
      }),
    ),
    unread: z.array(z.string()).describe('What the server may not look at.'),
  })
  .openapi('Explanation');
const explain = createRoute({
  ...{ ...shared, path: `${single}/explain`, responses: answers(explanation, 'The most important finding first.') },
  summary: 'Why a run waits, is slow or has failed, and what to do about it.',
});

const event = z
  .object({
    time: z.string().optional(),
    type: z.string().optional(),
    reason: z.string().optional(),
    message: z.string(),
    object: z.string().describe('What it is about, such as `CrawlRun/shop-1`.'),
    count: z.int().describe('How often it was seen.'),
  })
  .openapi('RunEvent');
const events = createRoute({
  ...{ ...shared, path: `${single}/events` },
  summary:
    'Events about a run and its Job, and warnings about its pods, the newest first, as long as Kubernetes keeps them.',
  responses: answers(z.object({ items: z.array(event) }), 'All of them.'),
});

export type RunEvent = z.output<typeof event>;

export function explainRoutes({ api, runs, access, now }: ServerParts) {
  const routes = createRoutes();

  routes.openapi(explain, async (c) => {
    const ref = c.req.valid('param');
    await access.require(c.get('identity'), { verb: 'get', resource: 'crawlruns', ...ref });
    const run = await findRun(runs, ref, signalOf(c));
    const { findings, unread, ...rest } = explainRun(await readRunEvidence(api, run, signalOf(c)), now());
    return c.json({ ...rest, findings: [...findings], unread: [...unread] }, 200);
  });

  routes.openapi(events, async (c) => {
    const ref = c.req.valid('param');
    await access.require(c.get('identity'), { verb: 'get', resource: 'crawlruns', ...ref });
    const found = await readRunEvents(api, await findRun(runs, ref, signalOf(c)), signalOf(c));
    const shown = found.map(shownEvent).sort((a, b) => ((a.time ?? '') < (b.time ?? '') ? 1 : -1));
    return c.json({ items: shown }, 200);
  });

  return routes;
}

/** Events have their time in one of four places, by who wrote them. */
function shownEvent(event: ClusterEvent): RunEvent {
  const { type, reason, message, involvedObject, count, series, lastTimestamp, eventTime, metadata } = event;
  const time = series?.lastObservedTime ?? lastTimestamp ?? eventTime ?? metadata.creationTimestamp;
  return {
    ...(time === undefined || time === null ? {} : { time }),
    ...(type === undefined ? {} : { type }),
    ...(reason === undefined ? {} : { reason }),
    message: message ?? '',
    object: `${involvedObject.kind ?? ''}/${involvedObject.name ?? ''}`,
    count: series?.count ?? count ?? 1,
  };
}
