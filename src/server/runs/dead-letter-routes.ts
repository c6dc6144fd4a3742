// Dead letters of a run: listed, and, while it lives, queued again or cleared.
import { createRoute, z } from '@hono/zod-openapi';
import { type CrawlRun, isFinished } from '../../custom-resources/types.ts';
import { FAILURE_CAUSES } from '../../resources/failure-causes.ts';
import type { DeadLetterChange, DeadLetterFilter } from '../../store/dead-letter-store.ts';
import type { Caller } from '../auth/identity.ts';
import type { Verb } from '../auth/rights.ts';
import { decodeCursor, encodeCursor, nextCursor, pageQuery } from '../http/cursor.ts';
import { answers, body, createRoutes, named, signalOf } from '../http/env.ts';
import { databaseTime, storableText } from '../http/inputs.ts';
import { ProblemError } from '../http/problem.ts';
import { databaseOf, type ServerParts } from '../parts.ts';
import { confirmationOf, confirmed } from './clear-confirmation.ts';
import { filterInWords, hasEnded, refusalOf } from './dead-letter-words.ts';
import { findRun } from './run-routes.ts';

const collection = '/api/v1/namespaces/{namespace}/runs/{name}/dead-letters';
const tags = ['Results'];

const filter = {
  cause: z.enum(FAILURE_CAUSES).optional().describe('Those of one cause.'),
  source: storableText(63).optional().describe('Those of one source.'),
  host: storableText(253).optional().describe('Those of one host.'),
  url: storableText(2_048).min(1).optional().describe('One URL, or with * at its end all that begin so.'),
};

const deadLetter = z
  .object({
    source: z.string(),
    url: z.string(),
    depth: z.int(),
    cause: z.string(),
    message: z.string(),
    attempts: z.int(),
    diedAt: z.iso.datetime(),
  })
  .openapi('DeadLetter');
export type DeadLetter = z.output<typeof deadLetter>;

const requeued = z.object({ requeued: z.int() });
export type Requeued = z.output<typeof requeued>;

const cleared = z.object({
  count: z.int().optional().describe('Without `confirm` in the request: how many there are.'),
  confirm: z.string().optional().describe('What the second call is to send; absent where there are none.'),
  cleared: z.int().optional().describe('With `confirm` in the request: how many were cleared.'),
});
export type Cleared = z.output<typeof cleared>;

const list = createRoute({
  ...{ method: 'get', path: collection, tags },
  summary: 'Pages of a run that used up their retries, the oldest first.',
  request: { params: named, query: pageQuery.extend(filter) },
  responses: answers(z.object({ items: z.array(deadLetter), nextCursor }), 'A page.'),
});
const requeue = createRoute({
  ...{ method: 'post', path: `${collection}/requeue`, tags },
  summary: 'Queue dead letters of a run that lives again, with all their tries; all of them without a filter.',
  request: { params: named, body: body(z.strictObject(filter)) },
  responses: answers(requeued, 'How many were queued.'),
});
const clear = createRoute({
  ...{ method: 'post', path: `${collection}/clear`, tags },
  summary:
    'Skip dead letters of a run that lives for good. The first call counts them, a second one with `confirm` does it.',
  request: { params: named, body: body(z.strictObject({ ...filter, confirm: z.string().max(8_192).optional() })) },
  responses: answers(cleared, 'How many there are, or were cleared.'),
});

/** The key is a half of a hash in the form of a UUID, not a UUID of RFC 9562. */
const afterLetter = z.object({ at: databaseTime, key: z.guid() });

type Told = DeadLetterChange & {
  readonly action: 'DeadLettersRequeued' | 'DeadLettersCleared';
  readonly wanted: DeadLetterFilter;
};

export function deadLetterRoutes(parts: ServerParts) {
  const { access, runs, audit } = parts;
  const routes = createRoutes();

  async function liveRun(
    ref: { readonly namespace: string; readonly name: string },
    verb: Verb,
    identity: Caller,
    signal: AbortSignal,
  ): Promise<CrawlRun> {
    await access.require(identity, { verb, resource: 'crawlruns', ...ref });
    const run = await findRun(runs, ref, signal);
    if (isFinished(run)) throw new ProblemError('Conflict', hasEnded(run.metadata.name));
    return run;
  }

  /** Tells of what was changed, also where it is only a part, and rejects then. Returns how many it is. */
  function settle(run: CrawlRun, { action, wanted, ...change }: Told, identity: Caller): number {
    if (change.changed > 0) {
      const detail = `${change.changed} dead letters${filterInWords(wanted)}`;
      audit(action, run, identity, { before: run, detail });
    }
    const done = action === 'DeadLettersCleared' ? 'were cleared' : 'were queued again';
    const refusal = refusalOf(run.metadata.name, change, done);
    if (refusal !== undefined) throw refusal;
    return change.changed;
  }

  routes.openapi(list, async (c) => {
    const { namespace, name } = c.req.valid('param');
    const { limit, cursor, ...wanted } = c.req.valid('query');
    await access.require(c.get('identity'), { verb: 'get', resource: 'crawlruns', namespace, name });
    const after = decodeCursor(afterLetter, cursor);
    const query = { ...wanted, namespace, run: name, limit, ...(after === undefined ? {} : { after }) };
    const rows = await databaseOf(parts).deadLetters(query, signalOf(c));
    const last = rows.length === limit ? rows.at(-1) : undefined;
    const next = last === undefined ? {} : { nextCursor: encodeCursor({ at: last.position, key: last.key }) };
    const shown = rows.map(({ key: _key, position: _position, diedAt, ...row }) => ({
      ...row,
      diedAt: diedAt.toISOString(),
    }));
    return c.json({ items: shown, ...next }, 200);
  });

  routes.openapi(requeue, async (c) => {
    const wanted = c.req.valid('json');
    const [identity, signal] = [c.get('identity'), signalOf(c)];
    const run = await liveRun(c.req.valid('param'), 'retry', identity, signal);
    const change = await databaseOf(parts).requeueDeadLetters(run.metadata.uid, wanted, signal);
    return c.json({ requeued: settle(run, { ...change, action: 'DeadLettersRequeued', wanted }, identity) }, 200);
  });

  routes.openapi(clear, async (c) => {
    const { confirm, ...wanted } = c.req.valid('json');
    const [identity, signal] = [c.get('identity'), signalOf(c)];
    const run = await liveRun(c.req.valid('param'), 'clear', identity, signal);
    const [store, runId] = [databaseOf(parts), run.metadata.uid];
    if (confirm === undefined) {
      const { count, until } = await store.countDeadLetters(runId, wanted, undefined, signal);
      const more = until === undefined ? {} : { confirm: confirmationOf({ runId, wanted, count, until }) };
      return c.json({ count, ...more }, 200);
    }
    const { count, until } = confirmed(confirm, runId, wanted);
    const { count: left } = await store.countDeadLetters(runId, wanted, until, signal);
    if (left !== count) {
      const detail = `there were ${count} dead letters when they were counted, and ${left} of them are there now: count again, without confirm`;
      throw new ProblemError('Conflict', detail);
    }
    const change = await store.clearDeadLetters(runId, wanted, until, signal);
    return c.json({ cleared: settle(run, { ...change, action: 'DeadLettersCleared', wanted }, identity) }, 200);
  });

  return routes;
}
