// What the API server asks of PostgreSQL: pages of items and executions, each by keyset, totals, and what files beside it add.
import { Kysely, PostgresDialect } from 'kysely';
import type { CrawlRunSpec } from '../resources/crawl-run.ts';
import type { Logger } from '../telemetry/logger.ts';
import { type AlertStore, createAlertStore } from './alert-store.ts';
import { type AuditStore, createAuditStore } from './audit-store.ts';
import { type ChangeReads, createChangeReads } from './change-reads.ts';
import type { ComparisonStore } from './comparison-store.ts';
import { createComparisonStore } from './comparisons.ts';
import { createPool, query, type Statement, storeError } from './connection.ts';
import { createDeadLetterStore, type DeadLetterStore } from './dead-letter-store.ts';
import type { Execution } from './execution-store.ts';
import { createFirstPageReads, type FirstPageReads } from './first-page.ts';
import { createHostStore, type HostStore } from './host-store.ts';
import type { LogReads } from './log-store.ts';
import { createLogStore } from './logs.ts';
import type { PoolMetrics } from './pool-metrics.ts';
import { type Moved, type Part, previewReview, type ReviewPreview } from './queue-review.ts';
import { createRunItems, type RunItem, type RunItems } from './run-items.ts';
import { createRunReads, type RunReads } from './run-reads.ts';
import type { Database } from './schema.ts';
import { checkSchemaName } from './schema-name.ts';
import { createServerDeliveries, type ServerDeliveries } from './server-deliveries.ts';

export type ServerStoreOptions = {
  /** As the role that reads. */
  readonly databaseUrl: string;
  readonly ca?: string;
  readonly schema: string;
  readonly poolSize: number;
  readonly metrics?: PoolMetrics;
  readonly logger?: Logger;
};

export type Item = {
  readonly itemId: string;
  readonly run: string;
  readonly source: string;
  readonly url: string;
  readonly time: Date;
  readonly data: Readonly<Record<string, unknown>>;
};

export type ItemQuery = {
  readonly namespace: string;
  /** Name of a run; the newest 200 runs of the namespace when absent. */
  readonly run?: string;
  readonly schedule?: string;
  readonly source?: string;
  /** Items older than this one. */
  readonly before?: string;
  readonly limit: number;
};

export type ExecutionFilter = {
  readonly namespace: string;
  readonly schedule?: string;
  readonly run?: string;
  readonly type?: Execution['type'];
  readonly outcome?: string;
  readonly trigger?: string;
  readonly before?: { readonly at: string; readonly id: string };
  readonly limit: number;
};

export type ExecutionRow = Execution & { readonly position: string };

/** Over all runs that are not finished. */
export type Totals = {
  readonly activeRuns: number;
  readonly waiting: number;
  readonly inProgress: number;
  readonly deadLetters: number;
  readonly known: number;
  readonly workers: number;
};

type LiveRun = { readonly runId: string; readonly day: string; readonly moved: Moved };

export type RunExport = {
  readonly pages: AsyncIterable<readonly RunItem[]>;
  /** The names of all fields that its items have. */
  readonly fields: RunItems['fields'];
};

/** Every call rejects with a StoreError. */
export type ServerStore = RunReads &
  FirstPageReads &
  ChangeReads &
  DeadLetterStore &
  AuditStore &
  AlertStore &
  HostStore &
  ServerDeliveries & {
    readonly logs: LogReads;
    readonly comparisons: Pick<ComparisonStore, 'runOf' | 'changes' | 'unchangedUrls'>;
    /** The newest first. */
    items(query: ItemQuery, signal: AbortSignal): Promise<readonly Item[]>;
    /**
     * All items of the newest run of that name in the order in which they were stored, no empty page among them; undefined when
     * there is no such run. `signal` ends the search for the run, `whileRead` the reading.
     */
    exportRun(
      namespace: string,
      run: string,
      signal: AbortSignal,
      whileRead: AbortSignal,
    ): Promise<RunExport | undefined>;
    /**
     * What an edit of the live run's patterns or depth would do to what it knows; changes nothing. `spec` is the edited one with
     * its defaults. Undefined when no run of that name is live.
     */
    previewChange(
      namespace: string,
      run: string,
      spec: CrawlRunSpec,
      signal: AbortSignal,
    ): Promise<ReviewPreview | undefined>;
    /** Those that have ended, the newest first. */
    executions(filter: ExecutionFilter, signal: AbortSignal): Promise<readonly ExecutionRow[]>;
    totals(signal: AbortSignal): Promise<Totals>;
    ping(signal: AbortSignal): Promise<void>;
    close(): Promise<void>;
  };

/** Of a namespace the newest runs are looked into. */
const NEWEST_RUNS = 200;
/** Of these, the ones that tell how old an item can be that belongs to the page. */
const FIRST_RUNS = 10;

/**
 * Each run gives the keys of its newest items by the index alone; what the page shows is read of those that are the newest of all, a row each
 * by its key: tables and partitions beside them are never read as a whole. A text for each choice of filters, which the server plans once
 * for a connection: planning it anew costs as much as reading the page.
 */
function itemsStatement({ namespace, run, schedule, source, before, limit }: ItemQuery): Statement {
  const values: unknown[] = [namespace, limit];
  const given = (value: string) => `$${values.push(value)}`;
  const ofRun = run === undefined ? '' : `and name = ${given(run)}`;
  const ofSchedule =
    schedule === undefined
      ? ''
      : `and exists (select from run_spec p where p.run_id = run.run_id and p.spec->>'scheduleName' = ${given(schedule)})`;
  const older = before === undefined ? '' : `and i.item_id < ${given(before)}::bigint`;
  const ofSource =
    source === undefined
      ? ''
      : `and i.source_no = (select source_no from source s where s.run_id = r.run_id and s.name = ${given(source)})`;
  const keysOf = (runs: string) => `
    select r.run_id, r.run_day, r.name, i.item_id
    from chosen r cross join lateral (
      select item_id from item i where i.run_day = r.run_day and i.run_id = r.run_id ${older} ${ofSource}
      order by i.item_id desc limit $2
    ) i
    where ${runs}`;
  const text = `
  with chosen as materialized (
    select run_id, run_day, name, finished_at, row_number() over (order by accepted_at desc) as place
    from (
      select * from run where namespace = $1 ${ofRun} ${ofSchedule}
      order by accepted_at desc limit ${run === undefined ? NEWEST_RUNS : 1}
    ) newest
  ), ${run === undefined ? pageOfMany(keysOf) : `page as materialized (${keysOf('true')} order by i.item_id desc limit $2)`}
  select p.item_id::text as "itemId", p.name as run, s.name as source, q.url, i.created_at as time, i.data
  from page p
  cross join lateral (
    select url_key, source_no, created_at, data from item
    where run_day = p.run_day and run_id = p.run_id and item_id = p.item_id limit 1
  ) i
  cross join lateral (
    select url from request where run_day = p.run_day and run_id = p.run_id and url_key = i.url_key limit 1
  ) q
  cross join lateral (select name from source where run_id = p.run_id and source_no = i.source_no limit 1) s
  order by p.item_id desc`;
  const filters = Object.entries({ run, schedule, source, before }).filter(([, value]) => value !== undefined);
  return { text, values, name: ['items', ...filters.map(([key]) => key)].join('-') };
}

/**
 * When the newest runs alone fill a page, a run that had ended before the oldest item of that page was written has none that belongs to it, and is
 * not looked into; the minute is for clocks that are set. Most of the others are such runs.
 */
function pageOfMany(keysOf: (runs: string) => string): string {
  return `first as materialized (
    ${keysOf(`r.place <= ${FIRST_RUNS}`)}
    order by i.item_id desc limit $2
  ), oldest as materialized (
    select i.created_at - interval '1 minute' as at
    from (select * from first order by item_id desc offset $2 - 1) f
    cross join lateral (
      select created_at from item where run_day = f.run_day and run_id = f.run_id and item_id = f.item_id limit 1
    ) i
  ), page as materialized (
    select * from (
      select * from first
      union all
      ${keysOf(`r.place > ${FIRST_RUNS} and (r.finished_at is null or r.finished_at >= coalesce((select at from oldest), '-infinity'))`)}
    ) found
    order by item_id desc limit $2
  )`;
}

const EXECUTIONS = `
  select execution_id as "executionId", type, namespace, name, schedule_name as "scheduleName", trigger,
    scheduled_time as "scheduledTime", image, accepted_at as "acceptedAt", started_at as "startedAt",
    finished_at as "finishedAt", outcome, reason, message, succeeded::float8, failed::float8, skipped::float8,
    open::float8, items::float8, bytes::float8, failed_by as "failedBy", skipped_by as "skippedBy",
    changes, compared, work, finished_at::text as position
  from execution
  where namespace = $1 and ($2::text is null or schedule_name = $2) and ($3::text is null or type = $3)
    and ($4::text is null or outcome = $4) and ($5::text is null or trigger = $5)
    and ($9::text is null or name = $9) and ($6::timestamptz is null or (finished_at, execution_id) < ($6::timestamptz, $7::uuid))
  order by finished_at desc, execution_id desc limit $8`;

const NEWEST_RUN = `
  select run_id as "runId" from run where namespace = $1 and name = $2 order by accepted_at desc limit 1`;

const LIVE_RUN = `
  select run_id as "runId", run_day::text as day, coalesce((
    select json_agg(json_build_object('source', s.name, 'url', m.url))
    from moved_place m join source s using (run_id, source_no) where m.run_id = run.run_id), '[]') as moved
  from run where namespace = $1 and name = $2 and finished_at is null order by accepted_at desc limit 1`;

const TOTALS = `
  select (select count(*) from run where finished_at is null)::int as "activeRuns",
    coalesce(sum(discovered - leased - succeeded - failed - skipped), 0)::float8 as waiting,
    coalesce(sum(leased), 0)::float8 as "inProgress", coalesce(sum(failed), 0)::float8 as "deadLetters",
    coalesce(sum(discovered), 0)::float8 as known,
    (select count(*) from worker join run using (run_id)
      where finished_at is null and released_at is null and pod_name <> '')::int as workers
  from progress join run using (run_id) where finished_at is null`;

export function createServerStore(options: ServerStoreOptions): ServerStore {
  const { schema, poolSize: max, ca, metrics, logger } = options;
  checkSchemaName(schema);
  const pool = createPool({
    ...{ databaseUrl: options.databaseUrl, applicationName: 'trawler-server', max },
    ...(ca === undefined ? {} : { ca }),
    ...(metrics === undefined ? {} : { metrics }),
    ...(logger === undefined ? {} : { logger }),
    sessionSettings: { search_path: `${schema},pg_temp`, statement_timeout: '20s', jit: 'off' },
  });
  const db = new Kysely<Database>({ dialect: new PostgresDialect({ pool }) });
  const guarded = <T>(signal: AbortSignal, call: () => Promise<T>): Promise<T> =>
    call().catch((error: unknown) => {
      throw signal.aborted ? signal.reason : storeError(error);
    });
  const orNull = <T>(value: T | undefined): T | null => value ?? null;
  return {
    ...createRunReads(pool),
    ...createFirstPageReads(pool),
    ...createChangeReads(pool),
    ...createDeadLetterStore(pool),
    ...createAuditStore(pool),
    ...createAlertStore(pool),
    ...createHostStore(pool),
    ...createServerDeliveries(pool),
    logs: createLogStore(db, guarded),
    comparisons: createComparisonStore(db, guarded),
    items: (wanted, signal) => query<Item>(pool, () => itemsStatement(wanted), signal),
    async exportRun(namespace, run, signal, whileRead) {
      const [found] = await query<{ runId: string }>(
        pool,
        () => ({ text: NEWEST_RUN, values: [namespace, run] }),
        signal,
      );
      if (found === undefined) return undefined;
      const items = createRunItems(pool, found.runId);
      return { pages: pagesOf(items, whileRead), fields: items.fields };
    },
    async previewChange(namespace, run, spec, signal) {
      const values = [namespace, run];
      const [live] = await query<LiveRun>(pool, () => ({ text: LIVE_RUN, values }), signal);
      if (live === undefined) return undefined;
      const read = (text: string, values: readonly unknown[]) => query<Part>(pool, () => ({ text, values }), signal);
      return previewReview(read, { ...live, spec });
    },
    async executions({ namespace, schedule, run, type, outcome, trigger, before, limit }, signal) {
      const filters = [schedule, type, outcome, trigger, before?.at, before?.id].map(orNull);
      const values = [namespace, ...filters, limit, orNull(run)];
      // Without a filter the one plan for all is the right one.
      const name = [run, ...filters].every((value) => value === null || value === undefined)
        ? { name: 'executions' }
        : {};
      const rows = await query<ExecutionRow>(pool, () => ({ text: EXECUTIONS, values, ...name }), signal);
      return rows.map(
        (row) => Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null)) as ExecutionRow,
      );
    },
    async totals(signal) {
      const [row] = await query<Totals>(pool, () => ({ text: TOTALS, values: [] }), signal);
      return row ?? { activeRuns: 0, waiting: 0, inProgress: 0, deadLetters: 0, known: 0, workers: 0 };
    },
    ping: async (signal) => void (await query(pool, () => ({ text: 'select 1', values: [] }), signal)),
    close: () => pool.end(),
  };
}

/** The next page is read while this one is written. */
async function* pagesOf({ page }: RunItems, signal: AbortSignal): AsyncGenerator<readonly RunItem[]> {
  let next = page(undefined, signal);
  for (;;) {
    const items = await next;
    if (items.length === 0) return;
    next = page(items.at(-1)?.id, signal);
    // Whoever reads on hears of it; whoever has gone does not ask.
    next.catch(() => undefined);
    yield items;
  }
}
