// GET /api/v1/stream: what is there and what changes, as Server-Sent Events: one stream for all that a client shows.
import { createRoute, z } from '@hono/zod-openapi';
import type { Right } from '../auth/rights.ts';
import { createRoutes, signalOf } from '../http/env.ts';
import { namespaceName } from '../http/inputs.ts';
import { ProblemError, problemSchema } from '../http/problem.ts';
import type { ServerParts } from '../parts.ts';
import type { EventLog, LiveEvent, Place } from './event-log.ts';

const KINDS = ['run', 'schedule', 'progress'] as const;
const RESOURCE = { run: 'crawlruns', progress: 'crawlruns', schedule: 'crawlschedules' } as const;

const stream = createRoute({
  method: 'get',
  path: '/api/v1/stream',
  tags: ['System'],
  summary:
    'Runs, schedules and the progress of live runs as Server-Sent Events: first all that is there, then `synced`, then each change. A stream that was broken off goes on with `Last-Event-ID`; after `reset` all comes anew.',
  request: {
    query: z.object({
      namespace: namespaceName.optional().describe('All namespaces when left out.'),
      kinds: z
        .string()
        .default(KINDS.join(','))
        .transform((text) => text.split(','))
        .pipe(z.array(z.enum(KINDS)).min(1))
        .openapi({ type: 'string', description: `Some of \`${KINDS.join(',')}\`.` }),
    }),
    headers: z.object({ 'last-event-id': z.string().max(100).optional() }),
  },
  responses: {
    200: { description: 'The events.', content: { 'text/event-stream': { schema: z.string() } } },
    default: { description: 'What went wrong.', content: { 'application/problem+json': { schema: problemSchema } } },
  },
});

/** Events of one piece of text: what a slow reader holds is no more. */
const MOST_EVENTS = 100;

export function streamRoutes({ access, live }: ServerParts) {
  const routes = createRoutes();
  routes.openapi(stream, async (c) => {
    const { namespace, kinds } = c.req.valid('query');
    const where = namespace === undefined ? {} : { namespace };
    const resources = [...new Set(kinds.map((kind) => RESOURCE[kind]))];
    const identity = c.get('identity');
    const isStillCaller = c.get('isStillCaller');
    const rights = resources.map((resource): Right => ({ verb: 'watch', resource, ...where }));
    for (const right of rights) await access.require(identity, right);
    const log = await live.begin(signalOf(c)).catch((error: unknown) => {
      throw new ProblemError('Unavailable', 'the API server has not listed runs and schedules yet', {
        ...{ cause: error, retryAfter: 5 },
      });
    });
    const isAllowed = async () =>
      (await isStillCaller()) &&
      (await Promise.all(rights.map((right) => access.allows(identity, right)))).every(Boolean);
    const wants = (event: LiveEvent) =>
      (namespace === undefined || event.namespace === namespace) && kinds.includes(event.kind);
    c.header('content-type', 'text/event-stream');
    // A proxy that gathers answers would hold events back.
    c.header('x-accel-buffering', 'no');
    const texts = streamTexts(log, {
      ...{ wants, isAllowed, keepAliveMs: live.keepAliveMs },
      from: log.placeOf(c.req.valid('header')['last-event-id'] ?? ''),
      isResumed: c.req.valid('header')['last-event-id'] !== undefined,
      signal: AbortSignal.any([c.req.raw.signal, live.ending]),
    });
    const body = ReadableStream.from(kinds.includes('progress') ? whileReading(live.readProgress, texts) : texts);
    return c.body(body.pipeThrough(new TextEncoderStream())) as never;
  });
  return routes;
}

type StreamOptions = {
  readonly wants: (event: LiveEvent) => boolean;
  /** Asked again now and then: a token or a right may be taken away. */
  readonly isAllowed: () => Promise<boolean>;
  readonly keepAliveMs: number;
  /** Where the reader stopped before. */
  readonly from: Place | undefined;
  readonly isResumed: boolean;
  readonly signal: AbortSignal;
};

/** Pulled by the reader, so that a slow one gets the newest states, later. Ends with the signal, or with `end` without rights. */
export async function* streamTexts(
  log: EventLog,
  { wants, isAllowed, keepAliveMs, from, isResumed, signal }: StreamOptions,
): AsyncGenerator<string> {
  let place = from ?? (isResumed ? undefined : yield* fromStart(log, wants));
  let isSynced = false;
  let sentAt = performance.now();
  let checkedAt = performance.now();
  while (!signal.aborted) {
    if (performance.now() - checkedAt >= keepAliveMs) {
      if (!(await isAllowed())) {
        yield 'event: end\ndata: {"reason":"Forbidden"}\n\n';
        return;
      }
      checkedAt = performance.now();
    }
    const batch = place === undefined ? undefined : log.after(place, wants, MOST_EVENTS);
    if (batch === undefined) {
      yield 'event: reset\ndata: {}\n\n';
      place = yield* fromStart(log, wants);
      isSynced = false;
      continue;
    }
    place = batch.place;
    let { text } = batch;
    if (text === '' && !isSynced) {
      text = `id: ${log.idOf(place)}\nevent: synced\ndata: {}\n\n`;
      isSynced = true;
    }
    if (text === '' && performance.now() - sentAt >= keepAliveMs) text = ': keep-alive\n\n';
    if (text === '') {
      await changedWithin(sentAt + keepAliveMs - performance.now(), (until) => log.changed(batch.place, until), signal);
    } else {
      yield text;
      sentAt = performance.now();
    }
  }
}

/** All that is there; the place from which changes follow. */
async function* fromStart(log: EventLog, wants: (event: LiveEvent) => boolean): AsyncGenerator<string, Place> {
  const { end } = log;
  let place: Place = 0;
  while (place < end) {
    const batch = log.fromStart(place, end, wants, MOST_EVENTS);
    place = batch.place;
    if (batch.text !== '') yield batch.text;
  }
  return place;
}

/** Resolves after the time at the latest, or with the signal. */
async function changedWithin(
  milliseconds: number,
  changed: (until: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const until = new AbortController();
  const end = () => until.abort();
  const timer = setTimeout(end, milliseconds);
  signal.addEventListener('abort', end, { once: true });
  if (signal.aborted) end();
  await changed(until.signal);
  clearTimeout(timer);
  signal.removeEventListener('abort', end);
}

/** PostgreSQL is asked for progress as long as it is read. */
async function* whileReading(begin: () => () => void, texts: AsyncIterable<string>): AsyncGenerator<string> {
  const end = begin();
  try {
    yield* texts;
  } finally {
    end();
  }
}
