-- Makes dead letters of what is queued at hosts that the run has given up, at most bound requests a call; returns how
-- many. They take no place in the page limits that they do not hold already.
create or replace function give_up_requests(this_run run, this_worker uuid, bound int) returns int
language plpgsql set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off
set enable_mergejoin = off set plan_cache_mode = force_generic_plan set jit = off as $$
declare
  time_now timestamptz := clock_timestamp();
  lanes bigint[];
  given_up int;
begin
  select array_agg(lane_id) into lanes from (
    select l.lane_id from unreachable_host u
    cross join lateral (
      select lane_id from lane where run_id = u.run_id and host_id = u.host_id and next_at is not null
      for no key update skip locked) l
    where u.run_id = this_run.run_id
    limit 200
  ) locked;
  if lanes is null then
    return 0;
  end if;
  with gone as (
    select r.run_id, r.url_key, r.lane_id, r.has_place from request r
    where r.run_day = this_run.run_day and r.lane_id = any (lanes) and r.state = 'queued'
    limit bound
  ), dead as (
    update request r set state = 'dead', reason = 'HostUnreachable', finished_at = time_now,
      has_place = r.has_place and not r.is_sitemap,
      errors = coalesce(r.errors, '[]') || jsonb_build_object('cause', 'HostUnreachable', 'at', time_now,
        'message', (select u.message from lane l join unreachable_host u using (run_id, host_id)
          where l.lane_id = gone.lane_id))
    from (select * from gone limit bound) gone
    where (r.run_day = this_run.run_day or r.run_day is null) and r.run_id = gone.run_id and r.url_key = gone.url_key
      and r.state::text = 'queued'
    returning r.lane_id, r.source_no, r.is_sitemap, gone.has_place as had_place, r.url,
      r.errors -> -1 ->> 'message' as message
  ), emptied as (
    update lane l set queued = queued - n, retries = retries - placed,
      next_at = case when queued > n then next_at end
    from (select lane_id, count(*) as n, count(*) filter (where had_place) as placed from dead group by 1) d
    where l.lane_id = any (lanes) and l.lane_id = d.lane_id
  ), counted as (
    insert into progress as p (run_id, worker_id, source_no, places, failed, failed_sitemaps, failed_unplaced,
      failed_by, last_error, last_error_at)
    select this_run.run_id, this_worker, source_no, -count(*) filter (where had_place and is_sitemap), count(*),
      count(*) filter (where is_sitemap), count(*) filter (where not had_place and not is_sitemap),
      jsonb_build_object('HostUnreachable', count(*)),
      max('HostUnreachable: ' || message || ' (' || url || ')'), time_now
    from dead group by source_no order by source_no
    on conflict (run_id, worker_id, source_no) do update set
      places = p.places + excluded.places, failed = p.failed + excluded.failed,
      failed_sitemaps = p.failed_sitemaps + excluded.failed_sitemaps,
      failed_unplaced = p.failed_unplaced + excluded.failed_unplaced,
      failed_by = add_counts(p.failed_by, excluded.failed_by),
      last_error = excluded.last_error, last_error_at = excluded.last_error_at
  )
  select count(*) into given_up from dead;
  return given_up;
end $$;
