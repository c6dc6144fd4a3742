// What is done with a run: pause with a note, resume, stop, retry. Each has a verb of its own on crawlruns.
import { isDeepStrictEqual } from 'node:util';
import { createRoute, z } from '@hono/zod-openapi';
import { retryRun } from '../../custom-resources/new-runs.ts';
import { nothingToRetry, partInWords, type RetryPart } from '../../custom-resources/retries.ts';
import {
  createRequestedRetry,
  createRetry,
  pausePatch,
  RETRY_LIMIT,
  resumePatch,
  stopPatch,
} from '../../custom-resources/run-actions.ts';
import { type CrawlRun, isFinished, phaseOf } from '../../custom-resources/types.ts';
import type { NewObject } from '../../kube/kube-object.ts';
import { retryPart } from '../../resources/crawl-run.ts';
import type { AuditedAction } from '../audit/audit.ts';
import type { Caller } from '../auth/identity.ts';
import type { Verb } from '../auth/rights.ts';
import { answers, body, created, createRoutes, named, signalOf } from '../http/env.ts';
import { idempotent, KeyUsedBefore, uuidOf } from '../http/idempotency.ts';
import { ProblemError } from '../http/problem.ts';
import { runSchema, shown } from '../http/resources.ts';
import type { ServerParts } from '../parts.ts';
import { findRun } from './run-routes.ts';

const single = '/api/v1/namespaces/{namespace}/runs/{name}';
const tags = ['Runs'];
const shared = { tags, request: { params: named } } as const;
const responses = answers(runSchema, 'The run.');

const pause = createRoute({
  ...{ method: 'post', path: `${single}/pause`, tags, responses },
  summary: 'Pause a run: pages in flight are finished, nothing is lost.',
  request: { params: named, body: body(z.strictObject({ note: z.string().max(1_000).optional() })) },
});
const resume = createRoute({
  ...{ method: 'post', path: `${single}/resume`, ...shared, responses, summary: 'Let a paused run go on.' },
});
const stop = createRoute({
  ...{ method: 'post', path: `${single}/stop`, tags, responses },
  summary: 'Stop a run. Terminate gives up the pages in flight.',
  request: { params: named, body: body(z.strictObject({ shutdown: z.enum(['Stop', 'Terminate']).default('Stop') })) },
});
const retry = createRoute({
  ...{
    method: 'post',
    path: `${single}/retry`,
    tags,
    summary: 'Crawl a finished run again: all of it, its dead letters (also by cause), or its failed sources.',
  },
  request: { params: named, headers: idempotent, body: body(z.strictObject(retryPart)) },
  responses: created(runSchema, 'The new run.'),
});

type Change = { readonly verb: Verb; readonly action: AuditedAction; readonly patch: object; readonly note?: string };

export function runActionRoutes({ runs, access, audit }: ServerParts) {
  const routes = createRoutes();

  async function change(
    ref: { readonly namespace: string; readonly name: string },
    { verb, action, patch, note }: Change,
    identity: Caller,
    signal: AbortSignal,
  ): Promise<CrawlRun> {
    await access.require(identity, { verb, resource: 'crawlruns', ...ref });
    const run = await findRun(runs, ref, signal);
    if (isFinished(run)) {
      throw new ProblemError('Conflict', `run "${ref.name}" has ended (${phaseOf(run)}): there is nothing to ${verb}`);
    }
    const stored = await runs.patch(ref, { type: 'merge', body: patch }, { signal });
    audit(action, stored, identity, { before: run, detail: note });
    return stored;
  }

  /** Throws a Conflict for too many, and an Invalid for a key that came with another request. */
  async function retryOnce(run: CrawlRun, part: RetryPart, request: string | undefined, signal: AbortSignal) {
    if (request === undefined) {
      const made = await createRetry(runs, run, part, signal);
      if (made !== undefined) return { run: made, isNew: true };
    } else {
      const made = await createRequestedRetry(runs, run, part, request, signal);
      if (made !== undefined && !takesSame(made.run, retryRun(run, part, 1))) throw new KeyUsedBefore();
      if (made !== undefined) return made;
    }
    throw new ProblemError('Conflict', `run "${run.metadata.name}" was retried ${RETRY_LIMIT} times already`);
  }

  routes.openapi(pause, async (c) => {
    const { note } = c.req.valid('json');
    const identity = c.get('identity');
    const patch = pausePatch(identity.username, note);
    const what: Change = { verb: 'pause', action: 'Paused', patch, ...(note === undefined ? {} : { note }) };
    return c.json(shown(await change(c.req.valid('param'), what, identity, signalOf(c))), 200);
  });

  routes.openapi(resume, async (c) => {
    const what: Change = { verb: 'resume', action: 'Resumed', patch: resumePatch() };
    return c.json(shown(await change(c.req.valid('param'), what, c.get('identity'), signalOf(c))), 200);
  });

  routes.openapi(stop, async (c) => {
    const { shutdown } = c.req.valid('json');
    const what: Change = { verb: 'stop', action: 'StopRequested', patch: stopPatch(shutdown), note: shutdown };
    return c.json(shown(await change(c.req.valid('param'), what, c.get('identity'), signalOf(c))), 200);
  });

  routes.openapi(retry, async (c) => {
    const ref = c.req.valid('param');
    const identity = c.get('identity');
    await access.require(identity, { verb: 'retry', resource: 'crawlruns', ...ref });
    const run = await findRun(runs, ref, signalOf(c));
    if (!isFinished(run)) {
      throw new ProblemError('Conflict', `run "${ref.name}" has not finished: it retries its own pages`);
    }
    const part = c.req.valid('json');
    const nothing = nothingToRetry(run, part);
    if (nothing !== undefined) throw new ProblemError('Conflict', `run "${ref.name}": ${nothing}`);
    const made = await retryOnce(run, part, requestOf(run, identity, c.req.valid('header')), signalOf(c));
    if (made.isNew) audit('RetryRequested', made.run, identity, { detail: `${partInWords(part)} of ${ref.name}` });
    return c.json(shown(made.run), 201);
  });

  return routes;
}

/** Of a request with a key: the id that finds what it has made. */
function requestOf(
  { metadata }: CrawlRun,
  { username }: Caller,
  { 'idempotency-key': key }: z.output<typeof idempotent>,
): string | undefined {
  return key === undefined ? undefined : uuidOf(`${username}/retry/${metadata.uid}/${key}`);
}

function takesSame({ spec: { trigger: made } }: CrawlRun, { spec: { trigger: asked } }: NewObject<CrawlRun>): boolean {
  const [one, other] = [made, asked].map((trigger) => [trigger?.only, trigger?.causes, trigger?.sources]);
  return isDeepStrictEqual(one, other);
}
