-- Writes the end of a run, whose row and claim lock the caller holds, and the summary that stays of it. Outcome and results
-- are computed from the counters, unless the outcome is given. URLs of which none gave a page, since they are gone, out of
-- scope or refused by robots.txt, are a failure.
create or replace function end_run(this_run run, given_outcome text, given_message text) returns void
language plpgsql set search_path from current as $$
declare
  final_outcome text;
begin
  with counts as (
    select s.source_no, s.active,
      coalesce(sum(p.discovered - p.succeeded - p.failed - p.skipped), 0) as open,
      coalesce(sum(p.succeeded), 0) as succeeded, coalesce(sum(p.failed), 0) as failed,
      coalesce(sum(p.skipped), 0) as skipped,
      (array_agg(p.last_error order by p.last_error_at desc nulls last))[1] as last_error
    from source s left join progress p on p.run_id = s.run_id and p.source_no = s.source_no
    where s.run_id = this_run.run_id group by s.source_no, s.active
  ), results as (
    update source s set message = case when c.failed > 0 then c.last_error end, result = case
      when not c.active then 'Inactive'
      when c.open > 0 or this_run.seeded_at is null then 'Stopped'
      when c.succeeded = 0 and c.failed + c.skipped > 0 then 'Failed'
      when c.failed = 0 then 'Succeeded'
      else 'Partial' end
    from counts c where s.run_id = this_run.run_id and s.source_no = c.source_no
  )
  update run set finished_at = clock_timestamp(),
    outcome = coalesce(given_outcome, case when t.succeeded = 0 and t.failed + t.skipped > 0 then 'Failed'
      when t.failed = 0 then 'Succeeded' else 'Partial' end),
    message = given_message
  from (select sum(succeeded) as succeeded, sum(failed) as failed, sum(skipped) as skipped from counts) t
  where run.run_id = this_run.run_id
  returning outcome into final_outcome;
  perform record_execution(this_run.run_id);
  perform note_event(this_run.run_id, final_outcome);
  if final_outcome in ('Succeeded', 'Partial') then
    perform note_event(this_run.run_id, 'Empty');
    if misses_expectation(this_run.run_id) then
      perform note_event(this_run.run_id, 'Unexpected');
    end if;
    -- What it found is compared with the run before when it has ended. A retry crawls a part alone.
    insert into comparison (run_id) select this_run.run_id
    where this_run.trigger <> 'Retry' and earlier_run(this_run) is not null on conflict do nothing;
  end if;
end $$;
