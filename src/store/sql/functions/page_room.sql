-- How many places the page limits have left: of the run, of each source, and which sources have none. slots is 0 for who
-- takes none.
--
-- Adding up costs a row of each worker and source. So a worker of a run with many of both is granted a part of what is left,
-- and adds up again when it has used that, or after two seconds: an eighth of it over the number of workers, so that all
-- grants together stay below what is left.
create or replace function page_room(this_run run, mine worker, slots int) returns page_room
language plpgsql set search_path from current as $$
declare
  cheap_rows constant int := 200;
  room page_room;
  workers bigint;
  granted bigint;
  sources bigint;
  nearest bigint;
begin
  if mine.places_granted >= greatest(slots, 1) and mine.granted_until > clock_timestamp() and not this_run.exact_limits then
    return (mine.places_granted, null, '{}')::page_room;
  end if;
  select greatest(this_run.max_pages - sum(taken), 0), array_agg(coalesce(max_pages - taken, 2147483647) order by source_no),
    coalesce(array_agg(source_no) filter (where taken >= max_pages), '{}'), count(*),
    least(this_run.max_pages - sum(taken), min(max_pages - taken) filter (where active and taken < max_pages))
  into room.run_left, room.source_left, room.full_sources, sources, nearest
  from (
    select s.source_no, s.max_pages, s.active, coalesce(sum(p.places), 0)::bigint as taken
    from source s left join progress p on p.run_id = s.run_id and p.source_no = s.source_no
    where s.run_id = this_run.run_id group by s.source_no, s.max_pages, s.active
  ) sources;
  select count(*), coalesce(sum(places_granted) filter (where granted_until > clock_timestamp()), 0) into workers, granted
  from worker w where w.run_id = this_run.run_id;
  if slots > 0 and workers * sources > cheap_rows and room.full_sources = '{}' and not this_run.exact_limits then
    update worker w set places_granted = least(greatest(nearest - granted, 0) / (8 * workers), 1000000), granted_until = clock_timestamp() + interval '2 s'
    where w.run_id = this_run.run_id and w.worker_id = mine.worker_id;
  end if;
  return room;
end $$;
