-- True when the crawl is over: nothing is queued or leased any more, and no request is to get nearer. That is the end of
-- the run too, unless it has a file to be written. One snapshot decides, taken under the lock of the run's row: as long as
-- anything can still be found, the request it is found at is leased in it.
create or replace function finish_run(token text) returns boolean
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off
set enable_mergejoin = off set plan_cache_mode = force_generic_plan set jit = off as $$
declare
  this_run run := run_of_token(token);
begin
  if this_run.finished_at is not null then
    return true;
  end if;
  -- To say that something is left writes nothing, so a server that still recovers has to be refused here.
  perform server_identity();
  -- Workers ask many times, and a row's lock is written: it is taken when it looks as if all were over.
  if not output_is_due(this_run.run_id) and work_is_left(this_run) then
    return false;
  end if;
  select * into this_run from run where run_id = this_run.run_id for no key update;
  if this_run.finished_at is not null or output_is_due(this_run.run_id) then
    return true;
  end if;
  if work_is_left(this_run) then
    return false;
  end if;
  update output o set due_at = clock_timestamp() where o.run_id = this_run.run_id;
  if not found then
    perform end_run(this_run, null, null);
  end if;
  return true;
end $$;
