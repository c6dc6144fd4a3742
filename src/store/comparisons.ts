// Comparisons of runs in PostgreSQL: what is to be compared, one step of it, and what came of it.
import { type Kysely, sql } from 'kysely';
import type { Change, ComparisonCounts, ComparisonStore } from './comparison-store.ts';
import type { Database } from './schema.ts';

type Guard = <T>(signal: AbortSignal, call: () => Promise<T>) => Promise<T>;

/** Lower than the key of any page. */
const FIRST_KEY = '00000000-0000-0000-0000-000000000000';
/** After a failure, times the failures in a row: seconds. */
const RETRY_SECONDS = 30;

/** @param guarded turns errors into StoreErrors */
export function createComparisonStore(db: Kysely<Database>, guarded: Guard): ComparisonStore {
  return {
    open: (limit, signal) =>
      guarded(signal, async () => {
        const { rows } = await sql<{ runId: string; tries: number }>`
          select run_id as "runId", tries from comparison
          where finished_at is null and next_at <= now() order by next_at limit ${limit}`.execute(db, { signal });
        return rows;
      }),
    step: (runId, pages, signal) =>
      guarded(signal, async () => {
        const { rows } = await sql<{ left: boolean }>`
          select compare_run(${runId}::uuid, ${pages}) as left`.execute(db, { signal });
        return rows[0]?.left ?? false;
      }),
    fail: (runId, message, isFinal, signal) =>
      guarded(signal, async () => {
        await sql`
          update comparison set tries = tries + 1, error = left(${message}, 1000),
            next_at = clock_timestamp() + (tries + 1) * ${RETRY_SECONDS} * interval '1 s',
            finished_at = case when ${isFinal} then clock_timestamp() end
          where run_id = ${runId}::uuid and finished_at is null`.execute(db, { signal });
      }),
    counts: (runId, signal) =>
      guarded(signal, async () => {
        const { rows } = await sql<{ counts: ComparisonCounts | null }>`
          select comparison_counts(run_id) as counts from comparison
          where run_id = ${runId}::uuid and step = 'End' and finished_at is not null`.execute(db, { signal });
        return rows[0]?.counts ?? undefined;
      }),
    changes: (runId, { kind, change, after, limit }, signal) =>
      guarded(signal, async () => {
        const ofKind = kind === undefined ? sql`` : sql`and c.kind = ${kind}`;
        const ofChange = change === undefined ? sql`` : sql`and c.change = ${change}`;
        const { rows } = await sql<Change & { item: string | null; fields: Change['fields'] | null }>`
          select c.change_id::text as id, c.kind, c.change, s.name as source, c.url, c.label as item, c.fields
          from run join change c on c.run_day = run.run_day and c.run_id = run.run_id
          join source s on s.run_id = c.run_id and s.source_no = c.source_no
          where run.run_id = ${runId}::uuid and c.change_id > ${after ?? '0'}::bigint ${ofKind} ${ofChange}
          order by c.change_id limit ${limit}`.execute(db, { signal });
        return rows.map(({ item, fields, ...row }) => ({
          ...row,
          ...(item === null ? {} : { item }),
          ...(fields === null ? {} : { fields }),
        }));
      }),
    unchangedUrls: (runId, { after, limit }, signal) =>
      guarded(signal, async () => {
        const { rows } = await sql<{ id: string; source: string; url: string }>`
          select r.url_key::text as id, s.name as source, r.url
          from run join comparison using (run_id)
          join run e on e.run_id = comparison.earlier_run
          join request r on r.run_day = run.run_day and r.run_id = run.run_id
          join source s on s.run_id = r.run_id and s.source_no = r.source_no
          where run.run_id = ${runId}::uuid and r.url_key > ${after ?? FIRST_KEY}::uuid
            and r.state = 'done' and not r.is_sitemap
            and not exists (
              select from change c
              where c.run_day = run.run_day and c.run_id = run.run_id and c.url_key = r.url_key and c.kind = 'Url')
            and exists (
              select from request o
              where o.run_day = e.run_day and o.run_id = e.run_id and o.url_key = r.url_key and o.state = 'done')
          order by r.url_key limit ${limit}`.execute(db, { signal });
        return rows.map((row) => ({ ...row, kind: 'Url', change: 'Unchanged' }));
      }),
    runOf: (namespace, name, signal) =>
      guarded(signal, async () => {
        const { rows } = await sql<{ runId: string }>`
          select e.execution_id as "runId" from execution e join run on run.run_id = e.execution_id
          where e.namespace = ${namespace} and e.name = ${name} and e.type = 'Crawl'
          order by e.finished_at desc limit 1`.execute(db, { signal });
        return rows[0]?.runId;
      }),
  };
}
