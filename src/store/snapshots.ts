// What the status of CrawlRuns mirrors: one query over counters, never over the requests themselves.
import { type Kysely, sql } from 'kysely';
import type {
  FailureCause,
  Heartbeat,
  ItemsLeftOut,
  PartMissing,
  SkipReason,
  SpiderTrap,
} from '../gateway/protocol/worker-store.ts';
import type {
  BlockedHost,
  OutputSnapshot,
  Progress,
  RunOutcome,
  RunSnapshot,
  SharedHost,
  SourceResult,
  SourceSnapshot,
  WorkerSnapshot,
} from './operator-store.ts';
import type { Database } from './schema.ts';

export async function snapshots(
  db: Kysely<Database>,
  runIds: readonly string[] | undefined,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, RunSnapshot>> {
  const chosen = runIds
    ? sql`run_id = any(${[...runIds]}::uuid[])`
    : // Not clock_timestamp(), which could be another for each row: no index would be used.
      sql`finished_at is null or finished_at > now() - interval '1 hour'`;
  const { rows } = await sql<SnapshotRow>`
    select r.run_id, r.namespace, r.name, r.accepted_at, r.seeded_at, r.started_at, r.finished_at, r.outcome,
      r.stop_reason, r.stop_requested_at, r.terminates, r.paused_at, r.paused_seconds,
      r.spec_generation::float8 as spec_generation,
      exists (select from queue_review q where q.run_id = r.run_id) as is_under_review, r.message, sources.list as sources, workers.list as workers,
      blocked.list as blocked_hosts, shared.list as shared_hosts, traps.list as spider_traps,
      (select json_build_object('due', o.due_at is not null, 'settled', o.settled_at is not null, 'path', o.path,
        'bytes', o.bytes, 'items', o.items, 'sha256', o.sha256, 'error', o.error)
        from output o where o.run_id = r.run_id) as output
    from (select * from run where ${chosen}) r
    cross join lateral (
      select json_agg(json_build_object(
        'name', s.name, 'active', s.active, 'result', s.result,
        'message', case when c.failed > 0 then coalesce(s.message, c.last_error) end,
        'total', c.discovered, 'queued', c.discovered - c.leased - c.succeeded - c.failed - c.skipped,
        'leased', c.leased, 'succeeded', c.succeeded, 'failed', c.failed, 'skipped', c.skipped, 'items', c.items,
        'lastSuccessAt', c.last_success_at, 'skippedBy', c.skipped_by, 'failedBy', c.failed_by,
        'itemsLeftOut', c.items_left_out, 'partialPages', c.partial_pages, 'fieldCounts', c.field_counts,
        'movedTo', (select json_agg(url order by moved_at, url) from (
          select * from moved_place m where m.run_id = s.run_id and m.source_no = s.source_no order by moved_at, url limit 10
        ) first)
      ) order by s.source_no) as list
      from source s cross join lateral (
        select coalesce(sum(discovered), 0) as discovered, coalesce(sum(leased), 0) as leased,
          coalesce(sum(succeeded), 0) as succeeded, coalesce(sum(failed), 0) as failed,
          coalesce(sum(skipped), 0) as skipped, coalesce(sum(items), 0) as items,
          max(last_success_at) as last_success_at,
          (array_agg(last_error order by last_error_at desc nulls last))[1] as last_error,
          coalesce(json_agg(skipped_by) filter (where skipped_by <> '{}'), '[]') as skipped_by,
          coalesce(json_agg(failed_by) filter (where failed_by <> '{}'), '[]') as failed_by,
          coalesce(json_agg(items_left_out) filter (where items_left_out <> '{}'), '[]') as items_left_out,
          coalesce(json_agg(partial_pages) filter (where partial_pages <> '{}'), '[]') as partial_pages,
          coalesce(json_agg(field_counts) filter (where field_counts <> '{}'), '[]') as field_counts
        from progress p where p.run_id = s.run_id and p.source_no = s.source_no
      ) c
      where s.run_id = r.run_id
    ) sources
    cross join lateral (
      select coalesce(json_agg(json_build_object(
        'workerId', w.worker_id, 'podName', w.pod_name, 'nodeName', w.node_name, 'state', w.state,
        'firstHeartbeatAt', w.first_heartbeat_at, 'lastHeartbeatAt', w.last_heartbeat_at,
        'pagesInFlight', w.pages_in_flight, 'concurrency', w.concurrency, 'currentUrl', w.current_url, 'idleMs', w.idle_ms,
        'rssBytes', w.rss_bytes, 'errors', w.errors, 'released', w.released_at is not null,
        'stall', w.stall, 'stalledAt', w.stalled_at
      ) order by w.first_heartbeat_at), '[]') as list
      from worker w where w.run_id = r.run_id and w.pod_name <> ''
    ) workers
    cross join lateral (
      select coalesce(json_agg(json_build_object(
        'host', name, 'refusals', blocks, 'evidence', evidence, 'slowdown', slowdown,
        'viaProxy', proxy_until > clock_timestamp() and coalesce(s.spec->'proxy'->>'mode' = 'Auto', false)
      ) order by first_at), '[]') as list
      from (
        select * from blocked_host b join host using (host_id) where b.run_id = r.run_id order by first_at limit 20
      ) first join run_spec s using (run_id)
    ) blocked
    cross join lateral (
      select coalesce(json_agg(json_build_object('host', name, 'runs', runs) order by queued desc, name), '[]') as list
      from (
        select h.name,
          (select count(*) from host_share o where o.host_id = s.host_id and o.active_until > clock_timestamp()) as runs,
          (select sum(l.queued) from lane l where l.run_id = s.run_id and l.host_id = s.host_id) as queued
        from host_share s join host h using (host_id)
        where s.run_id = r.run_id and r.finished_at is null and s.held_until > clock_timestamp()
        order by queued desc, h.name limit 20
      ) first where runs > 1
    ) shared
    cross join lateral (
      select coalesce(json_agg(json_build_object('kind', kind, 'pattern', pattern, 'url', url) order by found_at), '[]') as list
      from (select * from spider_trap t where t.run_id = r.run_id order by found_at limit 20) first
    ) traps`.execute(db, { signal });
  return new Map(rows.map((row) => [row.run_id, snapshotOf(row)]));
}

/** What of a run shows that its snapshot has changed, the heartbeats of its workers left out. */
export async function runMarks(db: Kysely<Database>, signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
  const { rows } = await sql<{ run_id: string; mark: string }>`
    select r.run_id, concat_ws(' ', r.seeded_at, r.started_at, r.stop_requested_at, r.paused_at, pages.mark, workers.mark) as mark
    from run r
    cross join lateral (
      select concat_ws(' ', sum(discovered), sum(succeeded), sum(failed), sum(skipped), sum(items)) as mark
      from progress p where p.run_id = r.run_id
    ) pages
    cross join lateral (
      select concat_ws(' ', count(*), count(stalled_at), count(released_at)) as mark from worker w where w.run_id = r.run_id
    ) workers
    where r.finished_at is null`.execute(db, { signal });
  return new Map(rows.map(({ run_id, mark }) => [run_id, mark]));
}

type SourceRow = Progress & {
  name: string;
  active: boolean;
  result: SourceResult | null;
  message: string | null;
  lastSuccessAt: string | null;
  skippedBy: Partial<Record<SkipReason, number>>[];
  failedBy: Partial<Record<FailureCause, number>>[];
  itemsLeftOut: ItemsLeftOut[];
  partialPages: Partial<Record<PartMissing, number>>[];
  fieldCounts: Record<string, number>[];
  movedTo: string[] | null;
};

type WorkerRow = Omit<
  WorkerSnapshot,
  'firstHeartbeatAt' | 'lastHeartbeatAt' | 'currentUrl' | 'state' | 'stall' | 'stalledAt'
> & {
  state: Heartbeat['state'];
  firstHeartbeatAt: string;
  lastHeartbeatAt: string;
  currentUrl: string | null;
  stall: string | null;
  stalledAt: string | null;
};

type OutputRow = { [Key in keyof OutputSnapshot]-?: OutputSnapshot[Key] | null } & Pick<
  OutputSnapshot,
  'due' | 'settled'
>;

type SnapshotRow = {
  run_id: string;
  namespace: string;
  name: string;
  accepted_at: Date;
  seeded_at: Date | null;
  started_at: Date | null;
  finished_at: Date | null;
  outcome: RunOutcome | null;
  stop_reason: string | null;
  stop_requested_at: Date | null;
  terminates: boolean;
  paused_at: Date | null;
  paused_seconds: number;
  spec_generation: number | null;
  is_under_review: boolean;
  message: string | null;
  sources: SourceRow[];
  workers: WorkerRow[];
  blocked_hosts: BlockedHost[];
  shared_hosts: SharedHost[];
  spider_traps: SpiderTrap[];
  output: OutputRow | null;
};

function snapshotOf(row: SnapshotRow): RunSnapshot {
  const lastSuccess = row.sources
    .flatMap((source) => source.lastSuccessAt ?? [])
    .sort((a, b) => Date.parse(a) - Date.parse(b));
  const lastSuccessAt = lastSuccess.at(-1);
  return {
    runId: row.run_id,
    namespace: row.namespace,
    name: row.name,
    state: row.finished_at ? 'Finished' : row.started_at ? 'Running' : 'Accepted',
    acceptedAt: row.accepted_at,
    ...present('startedAt', row.started_at),
    ...present('finishedAt', row.finished_at),
    ...present('outcome', row.outcome),
    ...present('stopReason', row.stop_reason),
    ...present('stopRequestedAt', row.stop_requested_at),
    terminates: row.terminates,
    ...present('specGeneration', row.spec_generation),
    isUnderReview: row.is_under_review,
    ...present('pausedAt', row.paused_at),
    pausedMs: row.paused_seconds * 1_000,
    ...present('message', row.message),
    seeded: row.seeded_at !== null,
    progress: sumOf(row.sources),
    sources: row.sources.map(sourceOf),
    workers: row.workers.map(workerOf),
    blockedHosts: row.blocked_hosts,
    sharedHosts: row.shared_hosts,
    spiderTraps: row.spider_traps,
    errors: row.workers.reduce((total, worker) => total + worker.errors, 0),
    ...(lastSuccessAt === undefined ? {} : { lastSuccessAt: new Date(lastSuccessAt) }),
    skipReasons: addUp(row.sources.flatMap((source) => source.skippedBy)),
    itemsLeftOut: addUp(row.sources.flatMap((source) => source.itemsLeftOut)),
    partialPages: addUp(row.sources.flatMap((source) => source.partialPages)),
    fieldCounts: addUp(row.sources.flatMap((source) => source.fieldCounts)),
    failureCauses: addUp(row.sources.flatMap((source) => source.failedBy)),
    ...(row.output ? { output: outputOf(row.output) } : {}),
  };
}

function progressOf(row: Progress): Progress {
  const { total, queued, leased, succeeded, failed, skipped, items } = row;
  return { total, queued, leased, succeeded, failed, skipped, items };
}

function sumOf(rows: readonly Progress[]): Progress {
  const sum = (key: keyof Progress) => rows.reduce((total, row) => total + row[key], 0);
  return {
    total: sum('total'),
    queued: sum('queued'),
    leased: sum('leased'),
    succeeded: sum('succeeded'),
    failed: sum('failed'),
    skipped: sum('skipped'),
    items: sum('items'),
  };
}

function sourceOf(row: SourceRow): SourceSnapshot {
  return {
    name: row.name,
    active: row.active,
    progress: progressOf(row),
    ...present('result', row.result),
    ...present('message', row.message),
    ...present('movedTo', row.movedTo),
  };
}

function outputOf({ due, settled, ...file }: OutputRow): OutputSnapshot {
  return {
    due,
    settled,
    ...present('path', file.path),
    ...present('bytes', file.bytes),
    ...present('items', file.items),
    ...present('sha256', file.sha256),
    ...present('error', file.error),
  };
}

function workerOf({ currentUrl, stall, stalledAt, ...row }: WorkerRow): WorkerSnapshot {
  return {
    ...row,
    ...present('stall', stall),
    ...(stalledAt === null ? {} : { stalledAt: new Date(stalledAt) }),
    firstHeartbeatAt: new Date(row.firstHeartbeatAt),
    lastHeartbeatAt: new Date(row.lastHeartbeatAt),
    ...present('currentUrl', currentUrl),
  };
}

function addUp<K extends string>(counts: readonly Partial<Record<K, number>>[]): Partial<Record<K, number>> {
  const total: Partial<Record<K, number>> = {};
  for (const count of counts) {
    for (const key of Object.keys(count) as K[]) total[key] = (total[key] ?? 0) + (count[key] ?? 0);
  }
  // Dead letters that were requeued are counted, and taken back in another row.
  return Object.fromEntries(Object.entries(total).filter(([, count]) => count !== 0)) as Partial<Record<K, number>>;
}

/** SQL's null is our absent property. */
function present<K extends string, V>(key: K, value: V | null): { [P in K]?: V } {
  return value === null ? {} : ({ [key]: value } as { [P in K]?: V });
}
