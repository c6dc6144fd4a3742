-- Drops lanes of a run that ended a day ago or whose day was dropped, so many at most, whether its results are still kept
-- or not; how many runs were looked at. To be called until that is none.
create or replace function forget_lanes(most int) returns int
language plpgsql set search_path from current as $$
declare
  of_run uuid;
  dropped int;
begin
  with days as materialized (select * from day_partitions())
  select run_id into of_run from run
  where has_lanes and finished_at is not null and (finished_at < clock_timestamp() - interval '1 day'
    or not exists (select from days p where run_day >= p.first_day and run_day < p.next_day))
  order by finished_at limit 1 for no key update of run skip locked;
  if not found then
    return 0;
  end if;
  with gone as (
    delete from lane where lane_id in (select lane_id from lane where run_id = of_run limit most)
    returning run_id, host_id, source_no
  ), keys as (
    delete from lane_key k using gone
    where k.run_id = gone.run_id and k.host_id = gone.host_id and k.source_no = gone.source_no
  )
  select count(*) into dropped from gone;
  if dropped < most then
    update run set has_lanes = false where run_id = of_run;
  end if;
  return 1;
end $$;
