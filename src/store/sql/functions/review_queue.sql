-- Holds a part of what the run knows against its edited spec: skips what is queued and excluded or too deep now, queues again what
-- was skipped for either and is neither now, and has pages read once more whose links were cut off by a lower depth limit. The
-- part ends at up_to; null is the end of all. False, and nothing done, when another change has come or the run has ended.
-- For the operator, which judges by the same patterns as workers do; what is leased is left to them.
--
-- Locks in order: queue_review, lane by id, request, progress (nobody else counts under this name), lane (held already).
create or replace function review_queue(
  of_run uuid, of_version int, this_worker uuid, up_to uuid, unwanted uuid[], too_deep uuid[], wanted uuid[], cut_off uuid[])
returns boolean
language plpgsql set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off
set enable_mergejoin = off set plan_cache_mode = force_generic_plan set jit = off as $$
declare
  time_now timestamptz := clock_timestamp();
  this_run run;
  keys uuid[];
  arrivals arrival[];
begin
  perform from queue_review q where q.run_id = of_run and q.live_version = of_version for update;
  if not found then
    return false;
  end if;
  select * into this_run from run where run_id = of_run;
  if this_run.finished_at is not null then
    delete from queue_review where run_id = of_run;
    return false;
  end if;
  keys := unwanted || too_deep || wanted;
  perform from lane l
  where l.lane_id = any (array(
    select distinct r.lane_id from unnest(keys) key cross join lateral (
      select lane_id from request r
      where r.run_day = this_run.run_day and r.run_id = this_run.run_id and r.url_key = key offset 0) r))
  order by l.lane_id for no key update;

  -- A queued or skipped request of a locked lane is changed by nobody else.
  keys := unwanted || too_deep;
  with gone as materialized (
    select this_run.run_id as run_id, r.url_key, r.has_place,
      case when key = any (unwanted) then 'Excluded' else 'MaxDepth' end as objection
    from unnest(keys) key cross join lateral (
      select url_key, has_place from request r
      where r.run_day = this_run.run_day and r.run_id = this_run.run_id and r.url_key = key and r.state = 'queued'
        and not r.was_read
      limit 1) r
  ), skipped as (
    update request r set state = 'skipped', reason = gone.objection, finished_at = time_now, has_place = false
    from (select * from gone limit cardinality(keys)) gone
    where (r.run_day = this_run.run_day or r.run_day is null) and r.run_id = gone.run_id and r.url_key = gone.url_key
      and r.state::text = 'queued'
    returning r.lane_id, r.source_no, r.reason, gone.has_place as had_place
  ), emptied as (
    update lane l set queued = l.queued - n, retries = l.retries - placed, next_at = case when l.queued > n then l.next_at end
    from (select lane_id, count(*) as n, count(*) filter (where had_place) as placed from skipped group by 1) s
    where l.lane_id = s.lane_id
  )
  insert into progress as p (run_id, worker_id, source_no, places, skipped, skipped_by)
  select this_run.run_id, this_worker, source_no, -count(*) filter (where had_place), count(*),
    (select jsonb_object_agg(reason, n) from (
      select reason, count(*) as n from skipped s where s.source_no = skipped.source_no group by 1) reasons)
  from skipped group by source_no order by source_no
  on conflict (run_id, worker_id, source_no) do update set places = p.places + excluded.places,
    skipped = p.skipped + excluded.skipped, skipped_by = add_counts(p.skipped_by, excluded.skipped_by);

  with back as materialized (
    select this_run.run_id as run_id, r.url_key, r.reason
    from unnest(wanted) key cross join lateral (
      select url_key, reason from request r
      where r.run_day = this_run.run_day and r.run_id = this_run.run_id and r.url_key = key and r.state = 'skipped'
        and r.reason in ('Excluded', 'MaxDepth')
      limit 1) r
  ), queued as (
    update request r set state = 'queued', reason = null, finished_at = null, priority = r.depth, available_at = time_now
    from (select * from back limit cardinality(wanted)) back
    where (r.run_day = this_run.run_day or r.run_day is null) and r.run_id = back.run_id and r.url_key = back.url_key
    returning r.lane_id, r.source_no, r.priority, back.reason
  ), counted as (
    insert into progress as p (run_id, worker_id, source_no, skipped, skipped_by)
    select this_run.run_id, this_worker, source_no, -count(*),
      (select jsonb_object_agg(reason, -n) from (
        select reason, count(*) as n from queued q where q.source_no = queued.source_no group by 1) reasons)
    from queued group by source_no order by source_no
    on conflict (run_id, worker_id, source_no) do update set skipped = p.skipped + excluded.skipped,
      skipped_by = add_counts(p.skipped_by, excluded.skipped_by)
  )
  select array_agg((lane_id, n, 0, time_now, first)::arrival) into arrivals
  from (select lane_id, count(*)::int as n, min(priority) as first from queued group by 1) lanes;

  insert into shorter_path (run_id, url_key, depth, reads_again)
  select this_run.run_id, r.url_key, r.depth, true
  from unnest(cut_off) key cross join lateral (
    select url_key, depth from request r
    where r.run_day = this_run.run_day and r.run_id = this_run.run_id and r.url_key = key and r.state <> 'leased' limit 1) r;

  if up_to is null then
    delete from queue_review q where q.run_id = of_run;
  else
    update queue_review q set reviewed_to = up_to where q.run_id = of_run;
  end if;
  if arrivals is not null then
    perform queue_at_hosts(arrivals);
  end if;
  return true;
end $$;
