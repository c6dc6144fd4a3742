// Summaries of runs and of maintenance in PostgreSQL: read, dropped in their time, and written where no run has ended there.
import { type Kysely, sql } from 'kysely';
import type { Execution, ExecutionDetails, ExecutionStore, ImageFigures, SlotResult } from './execution-store.ts';
import type { Database } from './schema.ts';
import { withoutNulls } from './without-nulls.ts';

type Guard = <T>(signal: AbortSignal, call: () => Promise<T>) => Promise<T>;

/** Rows of one transaction. */
const PART = 1_000;
/** What a row takes of a text for people. */
const MAX_MESSAGE = 1_000;

const columns = sql`
  execution_id as "executionId", type, namespace, name, schedule_name as "scheduleName", trigger,
  scheduled_time as "scheduledTime", image, accepted_at as "acceptedAt", started_at as "startedAt",
  finished_at as "finishedAt", outcome, reason, message, succeeded::float8, failed::float8, skipped::float8, open::float8,
  items::float8, bytes::float8, failed_by as "failedBy", skipped_by as "skippedBy", changes, compared, work`;

/** @param guarded turns errors into StoreErrors */
export function createExecutionStore(db: Kysely<Database>, guarded: Guard): ExecutionStore {
  return {
    list: ({ namespace, type, scheduleName, limit }, signal) =>
      guarded(signal, async () => {
        const ofSchedule = scheduleName === undefined ? sql`` : sql`and schedule_name = ${scheduleName}`;
        const { rows } = await sql<Execution>`
          select ${columns} from execution
          where namespace = ${namespace} and type = ${type} ${ofSchedule}
          order by finished_at desc limit ${limit}`.execute(db, { signal });
        return rows.map(withoutNulls);
      }),
    find: (namespace, name, signal) =>
      guarded(signal, async () => {
        const { rows } = await sql<ExecutionDetails>`
          select ${columns}, sources, first_items as "firstItems" from execution
          where namespace = ${namespace} and name = ${name} order by finished_at desc limit 1`.execute(db, { signal });
        const [row] = rows;
        return row && withoutNulls(row);
      }),
    ofSlots: ({ namespace, scheduleUid, from, to }, signal) =>
      guarded(signal, async () => {
        const { rows } = await sql<SlotResult>`
          select name, scheduled_time as "scheduledTime", outcome from execution
          where schedule_uid = ${scheduleUid}::uuid and scheduled_time between ${from} and ${to} and namespace = ${namespace}
          order by scheduled_time, finished_at`.execute(db, { signal });
        return rows;
      }),
    compareImages: ({ namespace, scheduleUid, since, image }, signal) =>
      guarded(signal, async () => {
        const { rows } = await sql<ImageFigures & { isImage: boolean }>`
          select coalesce(image = ${image}, false) as "isImage", count(*)::int as runs,
            (count(*) filter (where outcome in ('Failed', 'TimedOut')))::int as "failedRuns",
            sum(succeeded + failed)::float8 as pages, sum(failed)::float8 as "failedPages",
            percentile_cont(0.5) within group (order by extract(epoch from finished_at - started_at))::float8 as seconds,
            percentile_cont(0.5) within group (order by items)::float8 as items
          from execution
          where schedule_uid = ${scheduleUid}::uuid and scheduled_time >= ${since} and namespace = ${namespace}
            and trigger in ('Schedule', 'CatchUp') and outcome <> 'Stopped'
          group by 1`.execute(db, { signal });
        const figures = (isImage: boolean): ImageFigures => {
          const row = rows.find((one) => one.isImage === isImage);
          if (row === undefined) return { runs: 0, failedRuns: 0, pages: 0, failedPages: 0 };
          const { isImage: _, ...found } = withoutNulls(row);
          return found;
        };
        return { ofImage: figures(true), ofOthers: figures(false) };
      }),
    recordUnaccepted: (run, signal) =>
      guarded(signal, async () => {
        await sql`
          insert into execution (execution_id, type, namespace, name, schedule_uid, schedule_name, trigger, scheduled_time,
            image, accepted_at, finished_at, outcome, reason, message)
          values (${run.runId}::uuid, 'Crawl', ${run.namespace}, ${run.name}, ${run.scheduleUid ?? null}::uuid,
            ${run.scheduleName ?? null}, ${run.trigger}, ${run.scheduledTime ?? null}, ${run.image ?? null},
            ${run.createdAt}, ${run.finishedAt}, ${run.outcome}, ${run.reason?.slice(0, 100) ?? null},
            ${run.message?.slice(0, MAX_MESSAGE) ?? null})
          on conflict (execution_id) do nothing`.execute(db, { signal });
      }),
    recordMaintenance: ({ namespace, slot, startedAt, finishedAt, outcome, message, work }, signal) =>
      guarded(signal, async () => {
        const id = `maintenance ${namespace} ${slot.toISOString()}`;
        await sql`
          insert into execution (execution_id, type, namespace, name, trigger, scheduled_time, accepted_at, started_at,
            finished_at, outcome, message, work)
          values (md5(${id})::uuid, 'Maintenance', ${namespace}, 'maintenance', 'Schedule', ${slot}, ${startedAt},
            ${startedAt}, ${finishedAt}, ${outcome}, ${message?.slice(0, MAX_MESSAGE) ?? null}, ${JSON.stringify(work)}::jsonb)
          on conflict (execution_id) do update set started_at = excluded.started_at, finished_at = excluded.finished_at,
            outcome = excluded.outcome, message = excluded.message, work = excluded.work`.execute(db, { signal });
      }),
    lastMaintenance: (namespace, signal) =>
      guarded(signal, async () => {
        const { rows } = await sql<{ slot: Date }>`
          select scheduled_time as slot from execution
          where namespace = ${namespace} and type = 'Maintenance' and outcome = 'Succeeded'
          order by finished_at desc limit 1`.execute(db, { signal });
        return rows[0]?.slot;
      }),
    forget: (firstKept, signal) =>
      guarded(signal, async () => {
        let dropped = 0;
        for (;;) {
          signal.throwIfAborted();
          const { rows } = await sql<{ n: number }>`
            select forget_executions(${firstKept}::date, ${PART}) as n`.execute(db, { signal });
          const part = rows[0]?.n ?? 0;
          if (part === 0) return dropped;
          dropped += part;
        }
      }),
  };
}
