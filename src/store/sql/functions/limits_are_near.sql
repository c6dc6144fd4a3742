-- Whether one round of claims could reach a page limit that is not reached yet: then claims of the run have to go one after
-- another. Sources that are switched off or full do not count: nothing is claimed of them.
create or replace function limits_are_near(this_run run, room page_room, rounds int) returns boolean
language plpgsql stable set search_path from current as $$
begin
  return least(
    nullif(room.run_left, 0),
    (select min(room.source_left[s.source_no + 1]) from source s
      where s.run_id = this_run.run_id and s.active and s.source_no <> all (room.full_sources)))
    <= (
      select rounds * sum(w.slots) + coalesce(sum(w.places_granted) filter (where w.granted_until > clock_timestamp()), 0)
      from worker w where w.run_id = this_run.run_id and w.released_at is null);
end $$;
