-- The answer when nothing can be claimed now. Uses the pause: brings back what dead workers held, and gives up what is
-- at hosts that do not answer and what the page limits leave no room for, a bounded number at a time.
create or replace function rest_of_run(this_run run, this_worker uuid, horizon interval) returns json
language plpgsql set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off
set enable_mergejoin = off set plan_cache_mode = force_generic_plan set jit = off as $$
begin
  if reap_leases(this_worker, this_run.run_id) > 0 or give_up_requests(this_run, this_worker, 2000) > 0
    or skip_beyond_limits(this_run, this_worker, 2000) > 0 then
    return json_build_object('state', 'Wait', 'retryInMs', 0);
  end if;
  return json_build_object('state', 'Wait', 'retryInMs', retry_in_ms(this_run.run_id, horizon));
end $$;
