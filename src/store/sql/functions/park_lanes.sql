-- Puts lanes aside that have to wait for room in a page limit, so that claims do not come upon them again and again; they
-- come back when there is room, see unpark_lanes. Looks at the front of the queue, and farther where most of it is full;
-- due_from as for pick_lanes.
create or replace function park_lanes(this_run run, room page_room, due_from timestamptz, due_by timestamptz) returns void
language plpgsql set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off
set enable_mergejoin = off set plan_cache_mode = force_generic_plan set jit = off as $$
declare
  looks int;
  full_lanes bigint[];
  lanes bigint[];
begin
  foreach looks in array array[100, 3000] loop
    select array_agg(lane_id order by lane_id) into full_lanes from (
      select l.lane_id, l.source_no, l.retries from lane l
      where l.run_id = this_run.run_id and l.next_at >= due_from and l.next_at <= due_by order by l.next_at limit looks
    ) front
    where retries = 0 and (room.run_left = 0 or source_no = any (room.full_sources));
    exit when coalesce(cardinality(full_lanes), 0) < looks / 2;
  end loop;
  select array_agg(lane_id) into lanes from (
    select l.lane_id from lane l
    where l.lane_id = any (full_lanes) and l.retries = 0 and l.next_at <= due_by
    for no key update skip locked
  ) locked;
  update lane l set next_at = 'infinity' where l.lane_id = any (lanes);
end $$;
