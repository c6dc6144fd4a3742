-- Counts by reason what commit_outcomes has counted already, in the worker's rows of progress: ended is JSON [{source_no, state, reason, cause,
-- left_out, items_left_out, lacks}]. Most pages have nothing of it, and a statement of their own for the others keeps theirs small.
create or replace function count_reasons(this_run run, this_worker uuid, ended jsonb) returns void
language plpgsql set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off
set enable_mergejoin = off set plan_cache_mode = force_generic_plan set jit = off as $$
begin
  update progress p
  set skipped_by = add_counts(p.skipped_by, told.skipped_by), failed_by = add_counts(p.failed_by, told.failed_by),
    items_left_out = add_counts(p.items_left_out, told.items_left_out),
    partial_pages = add_counts(p.partial_pages, told.partial_pages)
  from (
    select source_no, coalesce(jsonb_object_agg(name, n) filter (where kind = 'skipped'), '{}') as skipped_by,
      coalesce(jsonb_object_agg(name, n) filter (where kind = 'failed'), '{}') as failed_by,
      coalesce(jsonb_object_agg(name, n) filter (where kind = 'items'), '{}') as items_left_out,
      coalesce(jsonb_object_agg(name, n) filter (where kind = 'lack'), '{}') as partial_pages
    from (
      select e.source_no, kind, name, sum(times) as n
      from jsonb_to_recordset(ended) as e(
        source_no smallint, state text, reason text, cause text, left_out jsonb, items_left_out jsonb, lacks text[])
      cross join lateral (
        select 'skipped' as kind, e.reason as name, 1::bigint as times where e.state = 'skipped'
        union all
        select 'skipped', key, value::bigint from jsonb_each_text(e.left_out)
        union all
        select 'failed', e.cause, 1 where e.state = 'dead'
        union all
        select 'items', key, value::bigint from jsonb_each_text(e.items_left_out)
        union all
        select 'lack', lack, 1 from unnest(e.lacks) as lack
      ) reasons
      group by e.source_no, kind, name
    ) counts
    group by source_no
  ) told
  where p.run_id = this_run.run_id and p.worker_id = this_worker and p.source_no = told.source_no;
end $$;
