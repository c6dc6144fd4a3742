-- When a page limit is used up by pages that are over and done with, whatever is queued behind it is skipped. At most
-- bound requests a call; returns how many.
create or replace function skip_beyond_limits(this_run run, this_worker uuid, bound int) returns int
language plpgsql set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off
set enable_mergejoin = off set plan_cache_mode = force_generic_plan set jit = off as $$
declare
  final_sources smallint[];
  lanes bigint[];
  skipped_now int;
begin
  select array_agg(source_no) into final_sources from (
    select s.source_no, s.max_pages, coalesce(sum(p.succeeded + p.failed - p.failed_sitemaps - p.failed_unplaced), 0) as ended,
      sum(coalesce(sum(p.succeeded + p.failed - p.failed_sitemaps - p.failed_unplaced), 0)) over () as ended_in_run
    from source s left join progress p on p.run_id = s.run_id and p.source_no = s.source_no
    where s.run_id = this_run.run_id group by s.source_no, s.max_pages
  ) sources where ended_in_run >= this_run.max_pages or ended >= max_pages;
  if final_sources is null then
    return 0;
  end if;

  select array_agg(lane_id) into lanes from (
    select lane_id from lane
    where run_id = this_run.run_id and next_at is not null and queued > retries and source_no = any (final_sources)
    order by next_at limit 200 for no key update skip locked
  ) locked;
  with gone as (
    select r.run_id, r.url_key from request r
    where r.run_day = this_run.run_day and r.lane_id = any (lanes) and r.state = 'queued' and not r.has_place
    limit bound
  ), skipped as (
    update request r set state = 'skipped', reason = 'MaxPages', finished_at = clock_timestamp()
    from (select * from gone limit bound) gone
    where (r.run_day = this_run.run_day or r.run_day is null) and r.run_id = gone.run_id and r.url_key = gone.url_key
      and r.state::text = 'queued'
    returning r.lane_id, r.source_no
  ), emptied as (
    update lane l set queued = queued - n, next_at = case when queued > n then next_at end
    from (select lane_id, count(*) as n from skipped group by 1) s
    where l.lane_id = any (lanes) and l.lane_id = s.lane_id
  ), counted as (
    insert into progress as p (run_id, worker_id, source_no, skipped, skipped_by)
    select this_run.run_id, this_worker, source_no, count(*), jsonb_build_object('MaxPages', count(*))
    from skipped group by source_no order by source_no
    on conflict (run_id, worker_id, source_no)
    do update set skipped = p.skipped + excluded.skipped, skipped_by = add_counts(p.skipped_by, excluded.skipped_by)
  )
  select count(*) into skipped_now from skipped;
  return skipped_now;
end $$;
