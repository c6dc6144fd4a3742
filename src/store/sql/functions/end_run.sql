-- Writes the end of a run, whose row and claim lock the caller holds. Outcome and results are computed from the
-- counters, unless the outcome is given.
create or replace function end_run(this_run run, given_outcome text, given_message text) returns void
language plpgsql set search_path from current as $$
begin
  with counts as (
    select s.source_no, s.active,
      coalesce(sum(p.discovered - p.succeeded - p.failed - p.skipped), 0) as open,
      coalesce(sum(p.succeeded), 0) as succeeded, coalesce(sum(p.failed), 0) as failed,
      coalesce(sum(p.skipped), 0) as skipped, coalesce(sum(p.items), 0) as items,
      (array_agg(p.last_error order by p.last_error_at desc nulls last))[1] as last_error
    from source s left join progress p on p.run_id = s.run_id and p.source_no = s.source_no
    where s.run_id = this_run.run_id group by s.source_no, s.active
  ), results as (
    update source s set message = c.last_error, result = case
      when not c.active then 'Inactive'
      when c.open > 0 or this_run.seeded_at is null then 'Stopped'
      when c.failed = 0 then 'Succeeded'
      when c.succeeded = 0 then 'Failed'
      else 'Partial' end
    from counts c where s.run_id = this_run.run_id and s.source_no = c.source_no
  )
  update run set finished_at = clock_timestamp(),
    outcome = coalesce(given_outcome, case when t.failed = 0 then 'Succeeded' when t.succeeded = 0 then 'Failed'
      else 'Partial' end),
    message = coalesce(given_message || ': ', '') || format('%s pages succeeded, %s failed, %s skipped, %s left; %s items',
      t.succeeded, t.failed, t.skipped, t.open, t.items)
  from (select sum(succeeded) as succeeded, sum(failed) as failed, sum(skipped) as skipped, sum(open) as open,
    sum(items) as items from counts) t
  where run.run_id = this_run.run_id;
end $$;
