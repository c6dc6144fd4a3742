// Logs of runs in PostgreSQL: read part by part, and dropped in their time.
import { type Kysely, sql } from 'kysely';
import type { LogPart, LogProgress, LogStore } from './log-store.ts';
import type { Database } from './schema.ts';

type Guard = <T>(signal: AbortSignal, call: () => Promise<T>) => Promise<T>;

/** Rows of one transaction. */
const PART = 1_000;

/** @param guarded turns errors into StoreErrors */
export function createLogStore(db: Kysely<Database>, guarded: Guard): LogStore {
  return {
    runOf: (namespace, name, signal) =>
      guarded(signal, async () => {
        const { rows } = await sql<{ runId: string }>`
          (select run_id as "runId" from run
            where finished_at is null and namespace = ${namespace} and name = ${name} order by accepted_at desc limit 1)
          union all
          (select execution_id from execution
            where namespace = ${namespace} and name = ${name} and type = 'Crawl' order by finished_at desc limit 1)
          limit 1`.execute(db, { signal });
        return rows[0]?.runId;
      }),
    parts: (runId, { order, after, since, limit }, signal) =>
      guarded(signal, async () => {
        const recent = since === undefined ? sql`` : sql`and last_at >= ${since}`;
        const place = sql`(${after?.firstAt ?? null}::timestamptz, ${after?.logId ?? null}::bigint)`;
        const next = {
          ByTime: after ? sql`and (first_at, log_id) > ${place}` : sql``,
          ByTimeDown: after ? sql`and (first_at, log_id) < ${place}` : sql``,
          Stored: after ? sql`and log_id > ${after.logId}::bigint` : sql``,
        }[order];
        const sorted = {
          ByTime: sql`first_at, log_id`,
          ByTimeDown: sql`first_at desc, log_id desc`,
          Stored: sql`log_id`,
        }[order];
        const { rows } = await sql<LogPart>`
          select log_id::text as "logId", worker_id as "workerId", first_at as "firstAt", last_at as "lastAt", lines, lost, data
          from run_log where run_id = ${runId}::uuid ${recent} ${next} order by ${sorted} limit ${limit}`.execute(db, {
          signal,
        });
        return rows;
      }),
    progress: (runId, signal) =>
      guarded(signal, async () => {
        const { rows } = await sql<LogProgress>`
          select not exists (select from run where run_id = ${runId}::uuid and finished_at is null) as "isFinished",
            coalesce((select dropped_lines from run_log_total where run_id = ${runId}::uuid), 0)::float8 as "droppedLines",
            coalesce((select max(log_id) from run_log where run_id = ${runId}::uuid), 0)::text as "lastId"`.execute(
          db,
          {
            signal,
          },
        );
        return rows[0] ?? { isFinished: true, droppedLines: 0, lastId: '0' };
      }),
    forget: (firstKept, signal) =>
      guarded(signal, async () => {
        let dropped = 0;
        for (;;) {
          signal.throwIfAborted();
          const { rows } = await sql<{ n: number }>`select forget_logs(${firstKept}::date, ${PART}) as n`.execute(db, {
            signal,
          });
          const part = rows[0]?.n ?? 0;
          if (part === 0) return dropped;
          dropped += part;
        }
      }),
  };
}
