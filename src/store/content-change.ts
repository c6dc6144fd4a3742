// What a run found, compared with what its schedule knew before: page by page, by what was extracted.
import { type Kysely, sql } from 'kysely';
import type { ContentChange } from './operator-store.ts';
import type { Database } from './schema.ts';

/**
 * Counts the pages of a finished run by what became of their items since the schedule last saw them. Undefined for a
 * run without a schedule and for the first of its schedule.
 *
 * What the run fetched was counted as it was stored. Removed are also the pages that it did not come across any more,
 * or that are no pages now; but only if it looked everywhere: was not stopped or cut short by a limit, was no retry of
 * dead letters, left no source out, and could read every page that the run before could. A page that fails for now is not
 * gone.
 */
export async function contentChange(
  db: Kysely<Database>,
  runId: string,
  signal: AbortSignal,
): Promise<ContentChange | undefined> {
  const { rows } = await sql<ContentChange>`
    with this_run as (
      select * from run where run_id = ${runId}::uuid and schedule_uid is not null
    ), earlier as (
      select r.run_id, r.accepted_at from run r join this_run t on r.schedule_uid = t.schedule_uid
      where r.accepted_at < t.accepted_at and r.outcome in ('Succeeded', 'Partial') and r.trigger <> 'Retry'
        and not (r.trigger = 'Manual' and leaves_out(r.run_id, t.run_id))
      order by r.accepted_at desc limit 1
    ), counted as (
      select sum((changes->>'added')::bigint) as added, sum((changes->>'changed')::bigint) as changed,
        sum((changes->>'removed')::bigint) as removed, sum((changes->>'unchanged')::bigint) as unchanged,
        coalesce(bool_or(skipped_by ? 'MaxPages'), false) as was_cut
      from progress where run_id = ${runId}::uuid
    ), unseen as (
      select p.url_key, p.hash, r.state, r.reason, r.facts->>'status' as status
      from this_run t cross join earlier e
      join page p on p.schedule_uid = t.schedule_uid and p.seen_by >= e.accepted_at and p.seen_by < t.accepted_at
      -- Looked up page by page: few are unseen, and the day's partition holds the requests of all its runs.
      left join lateral (
        select state, reason, facts from request
        where run_day = t.run_day and run_id = t.run_id and url_key = p.url_key offset 0) r on true
    ), lost as (
      select count(*) filter (where hash is not null and (state is null or reason in ('NotHtml', 'Redirected', 'NoIndex', 'Canonical'))) as pages,
        coalesce(bool_or(state = 'dead'), false) as were_unreadable
      from unseen
    )
    select coalesce(added, 0)::float8 as added, coalesce(changed, 0)::float8 as changed,
      (coalesce(removed, 0) + case when t.outcome in ('Succeeded', 'Partial') and t.trigger <> 'Retry'
        and not was_cut and not were_unreadable
        and not exists (select from earlier e where leaves_out(t.run_id, e.run_id)) then lost.pages else 0 end)::float8 as removed,
      coalesce(unchanged, 0)::float8 as unchanged
    from this_run t cross join counted cross join lost
    where exists (select from earlier) or coalesce(changed, removed, unchanged) is not null`.execute(db, { signal });
  return rows[0];
}

/** Lower than the key of any page. */
const FIRST_PAGE = '00000000-0000-0000-0000-000000000000';

/** Drops what is known of pages that the schedule's last three runs did not see, some thousand a transaction. */
export async function forgetPages(db: Kysely<Database>, runId: string, signal: AbortSignal): Promise<void> {
  for (let after: string | null = FIRST_PAGE; after !== null; ) {
    const answer: { rows: { last: string | null }[] } = await sql<{ last: string | null }>`
      select forget_pages(${runId}::uuid, ${after}::uuid) as last`.execute(db, { signal });
    after = answer.rows[0]?.last ?? null;
  }
}
