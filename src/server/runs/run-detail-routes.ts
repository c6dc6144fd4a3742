// What a run consists of, as PostgreSQL knows it: its sources with their counts, its workers, and the hosts that it asks.
import { createRoute, z } from '@hono/zod-openapi';
import type { HostRow, RunName, RunReads, SourceRow, WorkerRow } from '../../store/run-reads.ts';
import { decodeCursor, encodeCursor, nextCursor, pageQuery } from '../http/cursor.ts';
import { answers, createRoutes, named, type ServerContext, signalOf } from '../http/env.ts';
import { bigKey } from '../http/inputs.ts';
import { databaseOf, type ServerParts } from '../parts.ts';

const single = '/api/v1/namespaces/{namespace}/runs/{name}';
const tags = ['Runs'];
const shared = { tags, method: 'get', request: { params: named, query: pageQuery } } as const;
const time = z.iso.datetime();
const page = <T extends z.ZodType>(row: T) => answers(z.object({ items: z.array(row), nextCursor }), 'A page.');

const source = z
  .object({
    name: z.string(),
    active: z.boolean(),
    maxPages: z.int().optional(),
    result: z.string().optional(),
    message: z.string().optional(),
    known: z.int(),
    waiting: z.int(),
    inProgress: z.int(),
    succeeded: z.int(),
    failed: z.int(),
    skipped: z.int(),
    items: z.int(),
    bytes: z.int(),
    percentage: z.number().describe('Of the URLs known of, with two decimals; 0 while none is.'),
    lastSuccessAt: time.optional(),
  })
  .openapi('RunSource');
const worker = z
  .object({
    workerId: z.string(),
    pod: z.string(),
    node: z.string(),
    state: z.string(),
    firstHeartbeatAt: time,
    lastHeartbeatAt: time,
    releasedAt: time.optional().describe('When its pages went back to the queue: it is gone.'),
    pagesInFlight: z.int(),
    concurrency: z.int(),
    currentUrl: z.string().optional(),
    idleMs: z.int(),
    memoryBytes: z.int(),
    errors: z.int(),
    stall: z.string().optional(),
  })
  .openapi('RunWorker');
const host = z
  .object({
    host: z.string(),
    waiting: z.int(),
    nextAt: time.optional(),
    crawlDelayMs: z.int().optional().describe('Of its robots.txt.'),
    robots: z.enum(['allow', 'disallow', 'rules']).optional(),
    slowdown: z.int().describe('How many times more slowly it is asked since it has refused pages.'),
    viaProxy: z.boolean(),
    proxyUntil: time.optional(),
    blocks: z.int().describe('Pages of the run that it refused.'),
    evidence: z.string().optional(),
    outage: z.string().optional().describe('The last error, while it does not answer.'),
    givenUp: z.string().optional().describe('Why the run asks it no more.'),
  })
  .openapi('RunHost');

export type RunSource = z.output<typeof source>;
export type RunWorker = z.output<typeof worker>;
export type RunHost = z.output<typeof host>;

const sources = createRoute({
  ...{ ...shared, path: `${single}/sources`, responses: page(source) },
  summary: 'Sources of a run in the order of its spec, with their counts.',
});
const workers = createRoute({
  ...{ ...shared, path: `${single}/workers`, responses: page(worker) },
  summary: 'Workers of a run, as their last heartbeats showed them; also those that are gone.',
});
const hosts = createRoute({
  ...{ ...shared, path: `${single}/hosts`, responses: page(host) },
  summary: 'Hosts at which pages of a run wait, and those that have refused some: pace, robots.txt, blocks, outages.',
});

/** What makes a row the last one of a page; of each list its own. */
const positions = {
  sources: z.object({ after: z.string().regex(/^\d{1,4}$/) }),
  workers: z.object({ after: z.guid() }),
  hosts: z.object({ after: bigKey }),
};

type RowList<Row, Shown> = {
  readonly read: (store: RunReads) => Read<Row>;
  readonly keyOf: (row: Row) => string;
  readonly shown: (row: Row) => Shown;
};

type Read<Row> = (
  run: RunName,
  page: { readonly after?: string; readonly limit: number },
  signal: AbortSignal,
) => Promise<readonly Row[]>;

export function runDetailRoutes(parts: ServerParts) {
  const routes = createRoutes();

  /** Rows after the cursor, and the cursor after the last of them. */
  async function pageOf<Row, Shown>(
    c: ServerContext,
    { namespace, name }: z.output<typeof named>,
    { limit, cursor }: z.output<typeof pageQuery>,
    list: keyof typeof positions,
    { read, keyOf, shown }: RowList<Row, Shown>,
  ): Promise<{ items: Shown[]; nextCursor?: string }> {
    await parts.access.require(c.get('identity'), { verb: 'get', resource: 'crawlruns', namespace, name });
    const from = decodeCursor(positions[list], cursor) ?? {};
    const rows = await read(databaseOf(parts))({ namespace, run: name }, { ...from, limit }, signalOf(c));
    const last = rows.length === limit ? rows.at(-1) : undefined;
    return {
      items: rows.map(shown),
      ...(last === undefined ? {} : { nextCursor: encodeCursor({ after: keyOf(last) }) }),
    };
  }

  routes.openapi(sources, async (c) => {
    const rows = {
      read: (store: RunReads) => store.sources,
      keyOf: ({ sourceNo }: SourceRow) => String(sourceNo),
      shown: shownSource,
    };
    return c.json(await pageOf(c, c.req.valid('param'), c.req.valid('query'), 'sources', rows), 200);
  });
  routes.openapi(workers, async (c) => {
    const rows = {
      read: (store: RunReads) => store.workers,
      keyOf: ({ workerId }: WorkerRow) => workerId,
      shown: shownWorker,
    };
    return c.json(await pageOf(c, c.req.valid('param'), c.req.valid('query'), 'workers', rows), 200);
  });
  routes.openapi(hosts, async (c) => {
    const rows = { read: (store: RunReads) => store.hosts, keyOf: ({ hostId }: HostRow) => hostId, shown: shownHost };
    return c.json(await pageOf(c, c.req.valid('param'), c.req.valid('query'), 'hosts', rows), 200);
  });
  return routes;
}

export function shownSource({ sourceNo: _, ...row }: SourceRow): RunSource {
  const ended = row.succeeded + row.failed + row.skipped;
  return { ...present(row), percentage: row.known === 0 ? 0 : Math.round((ended / row.known) * 10_000) / 100 };
}

const shownWorker = (row: WorkerRow): RunWorker => present(row);

const shownHost = ({ hostId: _, ...row }: HostRow): RunHost => present(row);

type Present<Row> = {
  [Key in keyof Row as null extends Row[Key] ? never : Key]: Row[Key] extends Date ? string : Row[Key];
} & {
  [Key in keyof Row as null extends Row[Key] ? Key : never]?: NonNullable<Row[Key]> extends Date
    ? string
    : NonNullable<Row[Key]>;
};

/** Without what is null, and with times as they are written in JSON. */
function present<Row extends object>(row: Row): Present<Row> {
  const shown = Object.entries(row).flatMap(([key, value]) =>
    value === null ? [] : [[key, value instanceof Date ? value.toISOString() : value] as const],
  );
  return Object.fromEntries(shown) as Present<Row>;
}
