-- The answer when nothing can be claimed now. Uses the pause: brings back what dead workers held and what waits for room
-- that there is again, and gives up what is at hosts that do not answer and what the page limits leave no room for, a
-- bounded number at a time. due_from as for pick_lanes; that of the next look leaves room for what is being queued by
-- transactions which began up to a second ago.
create or replace function rest_of_run(this_run run, mine worker, room page_room, due_from timestamptz, horizon interval)
returns json
language plpgsql set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off
set enable_mergejoin = off set plan_cache_mode = force_generic_plan set jit = off as $$
declare
  lease constant interval := this_run.lease_seconds * interval '1 s';
  steady constant interval := case when mine.last_heartbeat_at > clock_timestamp() - lease
    then clock_timestamp() - mine.steady_since else '0' end;
  due_at timestamptz;
begin
  if reap_leases(mine.worker_id, this_run.run_id, steady) > 0
    or give_up_requests(this_run, mine.worker_id, 2000) > 0 or unpark_lanes(this_run, room, 100) > 0
    or skip_beyond_limits(this_run, mine.worker_id, 2000) > 0 then
    return json_build_object('state', 'Wait', 'retryInMs', 0);
  end if;
  due_at := next_due(this_run.run_id, due_from);
  return json_build_object('state', 'Wait', 'retryInMs', retry_in_ms(due_at, horizon),
    'isSeeded', this_run.seeded_at is not null,
    'dueFrom', extract(epoch from least(due_at, clock_timestamp() - interval '1 s')) * 1000);
end $$;
