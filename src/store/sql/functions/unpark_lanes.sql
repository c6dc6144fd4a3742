-- Brings lanes back that waited for room in a page limit, of sources that have some again; returns how many.
create or replace function unpark_lanes(this_run run, room page_room, bound int) returns int
language plpgsql set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off
set enable_mergejoin = off set plan_cache_mode = force_generic_plan set jit = off as $$
declare
  lanes bigint[];
begin
  if room.run_left = 0 then
    return 0;
  end if;
  select array_agg(lane_id) into lanes from (
    select l.lane_id from lane l
    where l.run_id = this_run.run_id and l.next_at = 'infinity' and l.source_no <> all (room.full_sources)
    limit bound for no key update skip locked
  ) locked;
  update lane l set next_at = clock_timestamp() where l.lane_id = any (lanes);
  return coalesce(cardinality(lanes), 0);
end $$;
