-- Ends a run that has nothing of the earlier run to try again, before any worker has seen it. The caller holds the run's row.
create or replace function end_retry(this_run run, reason text, given_message text) returns void
language plpgsql set search_path from current as $$
begin
  update run set stop_reason = reason where run_id = this_run.run_id;
  perform end_run(this_run, 'Failed', given_message);
end $$;
