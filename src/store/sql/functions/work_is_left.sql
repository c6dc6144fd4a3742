-- Whether something of the run is queued or leased, or is to get nearer, or may be queued again since the spec was edited, or the
-- seeds are not in yet; by one snapshot.
create or replace function work_is_left(this_run run) returns boolean
language plpgsql stable set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off
set enable_mergejoin = off set plan_cache_mode = force_generic_plan set jit = off as $$
declare
  lately constant timestamptz := clock_timestamp() - interval '1 minute';
begin
  return this_run.seeded_at is null
    -- Most often so, and found without the versions of lanes that were due before, see pick_lanes.
    or exists (select from lane where run_id = this_run.run_id and next_at > lately)
    or exists (select from shorter_path where run_id = this_run.run_id)
    or exists (select from queue_review where run_id = this_run.run_id)
    or (select sum(leased) from progress where run_id = this_run.run_id) > 0
    or exists (select from lane where run_id = this_run.run_id and next_at is not null);
end $$;
