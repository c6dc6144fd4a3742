// What a run found, compared with the run of the same schedule before it: page by page, by what was extracted.
import { type Kysely, sql } from 'kysely';
import type { ContentChange } from './operator-store.ts';
import type { Database } from './schema.ts';

/**
 * Counts pages by what became of their items since the schedule's last run that gave results. Undefined for a run
 * without a schedule and for the first of its schedule. Reads all items of both runs: to be asked once, at the end.
 */
export async function contentChange(
  db: Kysely<Database>,
  runId: string,
  signal: AbortSignal,
): Promise<ContentChange | undefined> {
  const { rows } = await sql<{ added: string; changed: string; removed: string; unchanged: string }>`
    with this_run as (
      select * from run where run_id = ${runId}::uuid
    ), earlier as (
      select r.run_id, r.run_day from run r join this_run t on r.schedule_uid = t.schedule_uid
      where r.run_id <> t.run_id and r.accepted_at < t.accepted_at and r.outcome in ('Succeeded', 'Partial')
      order by r.accepted_at desc limit 1
    ), now_there as (
      select url_key, md5(string_agg(data::text, ',' order by item_id)) as hash
      from item where run_id = ${runId}::uuid and run_day = (select run_day from this_run) group by url_key
    ), then_there as (
      select url_key, md5(string_agg(data::text, ',' order by item_id)) as hash
      from item where run_id = (select run_id from earlier) and run_day = (select run_day from earlier) group by url_key
    )
    select count(*) filter (where b.hash is null) as added, count(*) filter (where a.hash <> b.hash) as changed,
      count(*) filter (where a.hash is null) as removed, count(*) filter (where a.hash = b.hash) as unchanged
    from now_there a full join then_there b using (url_key)
    having exists (select from earlier)`.execute(db, { signal });
  const [row] = rows;
  if (row === undefined) return undefined;
  const { added, changed, removed, unchanged } = row;
  return { added: Number(added), changed: Number(changed), removed: Number(removed), unchanged: Number(unchanged) };
}
