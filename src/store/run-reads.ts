// What the API server reads of one run beside its items: sources, workers, hosts, and all that stays of it.
import type pg from 'pg';
import { query } from './connection.ts';
import type { ExecutionDetails } from './execution-store.ts';

/** The newest run of that name. */
export type RunName = { readonly namespace: string; readonly run: string };

/** Requests by where they are; `waiting` is what is queued. */
export type SourceRow = {
  readonly sourceNo: number;
  readonly name: string;
  readonly active: boolean;
  readonly maxPages: number | null;
  readonly result: string | null;
  readonly message: string | null;
  readonly known: number;
  readonly waiting: number;
  readonly inProgress: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly skipped: number;
  readonly items: number;
  readonly bytes: number;
  readonly lastSuccessAt: Date | null;
};

/** As its last heartbeat showed it. */
export type WorkerRow = {
  readonly workerId: string;
  readonly pod: string;
  readonly node: string;
  readonly state: string;
  readonly firstHeartbeatAt: Date;
  readonly lastHeartbeatAt: Date;
  /** When its leases were taken from it, or it gave them back. */
  readonly releasedAt: Date | null;
  readonly pagesInFlight: number;
  readonly concurrency: number;
  readonly currentUrl: string | null;
  readonly idleMs: number;
  /** Resident memory of the pod's processes. */
  readonly memoryBytes: number;
  readonly errors: number;
  readonly stall: string | null;
};

export type HostRow = {
  readonly hostId: string;
  readonly host: string;
  /** Pages of the run that wait there. */
  readonly waiting: number;
  /** When one of them may be claimed at the soonest; null where none waits, or all wait for room in a limit. */
  readonly nextAt: Date | null;
  /** Of its robots.txt. */
  readonly crawlDelayMs: number | null;
  readonly robots: 'allow' | 'disallow' | 'rules' | null;
  /** How many times more slowly it is asked since it has refused pages. */
  readonly slowdown: number;
  readonly viaProxy: boolean;
  readonly proxyUntil: Date | null;
  /** Pages of the run that it refused, and by what that was seen. */
  readonly blocks: number;
  readonly evidence: string | null;
  /** The last error while it does not answer. */
  readonly outage: string | null;
  /** Why the run has given it up. */
  readonly givenUp: string | null;
};

/** Requests of a live run by where they are. */
export type LiveProgress = {
  readonly namespace: string;
  readonly run: string;
  readonly known: number;
  readonly waiting: number;
  readonly inProgress: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly skipped: number;
  readonly items: number;
};

type After = { readonly after?: string; readonly limit: number };

/** Every call rejects with a StoreError. A run that PostgreSQL does not know has no rows. */
export type RunReads = {
  /** By their places in the spec. */
  sources(run: RunName, page: After, signal: AbortSignal): Promise<readonly SourceRow[]>;
  /** By their ids. */
  workers(run: RunName, page: After, signal: AbortSignal): Promise<readonly WorkerRow[]>;
  /** Where something waits, and what has refused pages; by their ids. */
  hosts(run: RunName, page: After, signal: AbortSignal): Promise<readonly HostRow[]>;
  /** Of all runs that have not ended. */
  liveProgress(signal: AbortSignal): Promise<readonly LiveProgress[]>;
  /** By its id. */
  execution(namespace: string, id: string, signal: AbortSignal): Promise<ExecutionDetails | undefined>;
};

const NEWEST = `(select run_id, run_day from run where namespace = $1 and name = $2 order by accepted_at desc limit 1) r`;

const SOURCES = `
  select s.source_no as "sourceNo", s.name, s.active, s.max_pages as "maxPages", s.result, s.message,
    coalesce(sum(p.discovered), 0)::float8 as known,
    coalesce(sum(p.discovered - p.leased - p.succeeded - p.failed - p.skipped), 0)::float8 as waiting,
    coalesce(sum(p.leased), 0)::float8 as "inProgress", coalesce(sum(p.succeeded), 0)::float8 as succeeded,
    coalesce(sum(p.failed), 0)::float8 as failed, coalesce(sum(p.skipped), 0)::float8 as skipped,
    coalesce(sum(p.items), 0)::float8 as items, coalesce(sum(p.bytes), 0)::float8 as bytes,
    max(p.last_success_at) as "lastSuccessAt"
  from ${NEWEST} join source s on s.run_id = r.run_id and s.source_no > coalesce($3::smallint, -1)
  left join progress p on p.run_id = s.run_id and p.source_no = s.source_no
  group by s.run_id, s.source_no order by s.source_no limit $4`;

const WORKERS = `
  select w.worker_id as "workerId", w.pod_name as pod, w.node_name as node, w.state,
    w.first_heartbeat_at as "firstHeartbeatAt", w.last_heartbeat_at as "lastHeartbeatAt", w.released_at as "releasedAt",
    w.pages_in_flight as "pagesInFlight", w.concurrency, w.current_url as "currentUrl", w.idle_ms::float8 as "idleMs",
    w.rss_bytes::float8 as "memoryBytes", w.errors, w.stall
  from ${NEWEST} join worker w on w.run_id = r.run_id
  where w.pod_name <> '' and w.worker_id > coalesce($3::uuid, '00000000-0000-0000-0000-000000000000')
  order by w.worker_id limit $4`;

/** Lanes go a day after the run's end, hosts that refused pages stay with it. */
const HOSTS = `
  select h.host_id::text as "hostId", h.name as host, n.waiting::float8 as waiting,
    case when n.next_at < 'infinity' then greatest(n.next_at, nullif(h.next_at, '-infinity')) end as "nextAt",
    d.delay_ms as "crawlDelayMs", t.verdict as robots, h.slowdown, h.proxy_until > now() as "viaProxy",
    case when h.proxy_until > now() then h.proxy_until end as "proxyUntil", coalesce(b.blocks, 0) as blocks, b.evidence,
    case when h.outage_failures > 0 then h.outage_message end as outage, u.message as "givenUp"
  from ${NEWEST}
  cross join lateral (
    select host_id, sum(queued) as waiting, min(next_at) as next_at
    from (
      select host_id, queued, next_at from lane where run_id = r.run_id and host_id > coalesce($3::bigint, 0)
      union all
      select host_id, 0, null from blocked_host where run_id = r.run_id and host_id > coalesce($3::bigint, 0)
    ) known
    group by host_id order by host_id limit $4
  ) n
  join host h on h.host_id = n.host_id
  left join crawl_delay d on d.host_id = h.host_id and d.run_id = r.run_id
  left join robots t on t.host_id = h.host_id
  left join blocked_host b on b.run_id = r.run_id and b.host_id = h.host_id
  left join unreachable_host u on u.run_id = r.run_id and u.host_id = h.host_id
  order by h.host_id`;

const LIVE_PROGRESS = `
  select r.namespace, r.name as run, p.* from run r cross join lateral (
    select coalesce(sum(discovered), 0)::float8 as known,
      coalesce(sum(discovered - leased - succeeded - failed - skipped), 0)::float8 as waiting,
      coalesce(sum(leased), 0)::float8 as "inProgress", coalesce(sum(succeeded), 0)::float8 as succeeded,
      coalesce(sum(failed), 0)::float8 as failed, coalesce(sum(skipped), 0)::float8 as skipped,
      coalesce(sum(items), 0)::float8 as items
    from progress where run_id = r.run_id
  ) p
  where r.finished_at is null`;

const EXECUTION = `
  select execution_id as "executionId", type, namespace, name, schedule_name as "scheduleName", trigger,
    scheduled_time as "scheduledTime", image, accepted_at as "acceptedAt", started_at as "startedAt",
    finished_at as "finishedAt", outcome, reason, message, succeeded::float8, failed::float8, skipped::float8,
    open::float8, items::float8, bytes::float8, failed_by as "failedBy", skipped_by as "skippedBy",
    changes, compared, work, sources, first_items as "firstItems"
  from execution where execution_id = $2 and namespace = $1`;

export function createRunReads(pool: pg.Pool): RunReads {
  function page<Row extends pg.QueryResultRow>(text: string) {
    return ({ namespace, run }: RunName, { after, limit }: After, signal: AbortSignal) =>
      query<Row>(pool, () => ({ text, values: [namespace, run, after ?? null, limit] }), signal);
  }
  return {
    sources: page<SourceRow>(SOURCES),
    workers: page<WorkerRow>(WORKERS),
    hosts: page<HostRow>(HOSTS),
    liveProgress: (signal) => query<LiveProgress>(pool, () => ({ text: LIVE_PROGRESS, values: [] }), signal),
    async execution(namespace, id, signal) {
      const statement = () => ({ text: EXECUTION, values: [namespace, id] });
      const [row] = await query<ExecutionDetails>(pool, statement, signal);
      return row && (Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null)) as ExecutionDetails);
    },
  };
}
