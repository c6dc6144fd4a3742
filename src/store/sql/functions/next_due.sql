-- When the next lane of the run is due, null when none is. due_from as for pick_lanes.
create or replace function next_due(of_run uuid, due_from timestamptz) returns timestamptz
language plpgsql set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off
set enable_mergejoin = off set plan_cache_mode = force_generic_plan set jit = off as $$
begin
  return (
    select min(next_at) from lane
    where run_id = of_run and next_at >= due_from and next_at < 'infinity');
end $$;
