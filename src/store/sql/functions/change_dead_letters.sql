-- Takes dead letters out of that state while their run lives, at most bound of them a call: queued again with all their tries
-- (requeue), or skipped for good with the reason Cleared. Which ones, as wanted_dead_letters says. Returns JSON: {state,
-- changed, at, key}, where state is Changed, or why nothing can be changed any more, and at and key are those of the last
-- one looked at, absent when there are no more. What is skipped gives its place in the page limits back.
--
-- They are counted in a row of progress of their own, which nobody else writes.
--
-- Locks in order: run, lane by id, request by key, unreachable_host, progress. An ended request of a locked lane is changed by
-- nobody else.
create or replace function change_dead_letters(
  of_run uuid, requeue boolean, wanted jsonb, after_at timestamptz, after_key uuid, until timestamptz, bound int) returns json
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off
set enable_mergejoin = off set plan_cache_mode = force_generic_plan set jit = off as $$
declare
  people constant uuid := '00000000-0000-0000-0000-000000000001';
  time_now timestamptz;
  this_run run;
  keys uuid[];
  lanes bigint[];
  last_at timestamptz;
  last_key uuid;
  changed int;
  arrivals arrival[];
begin
  select * into this_run from run where run_id = of_run for no key update;
  if not found then
    return json_build_object('state', 'Unknown', 'changed', 0);
  elsif this_run.finished_at is not null then
    return json_build_object('state', 'Ended', 'changed', 0);
  elsif this_run.stop_reason is not null then
    return json_build_object('state', 'Stopping', 'changed', 0);
  elsif output_is_due(of_run) then
    return json_build_object('state', 'WritingOutput', 'changed', 0);
  end if;

  select array_agg(url_key), array_agg(distinct lane_id), max(finished_at),
    (array_agg(url_key order by finished_at desc, url_key desc))[1]
  into keys, lanes, last_at, last_key
  from wanted_dead_letters(of_run, wanted, after_at, after_key, until, least(greatest(bound, 1), 1000));
  if keys is null then
    return json_build_object('state', 'Changed', 'changed', 0);
  end if;
  perform from lane l where l.lane_id = any (lanes) order by l.lane_id for no key update;
  time_now := clock_timestamp();

  with dead as materialized (
    select r.run_id, r.url_key, r.has_place, coalesce(r.reason, 'LeaseExpired') as cause
    from (select key from unnest(keys) key order by key offset 0) k cross join lateral (
      select * from request r
      where r.run_day = this_run.run_day and r.run_id = this_run.run_id and r.url_key = k.key and r.state = 'dead'
      limit 1 for no key update) r
  ), revived as (
    update request r
    set state = case when requeue then 'queued' else 'skipped' end::request_state,
      reason = case when requeue then null else 'Cleared' end,
      finished_at = case when requeue then null else time_now end,
      available_at = time_now, attempts = 0, blocks = 0, lease_losses = 0,
      has_place = requeue and r.has_place,
      priority = case when r.has_place then 0 else r.depth end
    from (select * from dead limit cardinality(keys)) d
    where (r.run_day = this_run.run_day or r.run_day is null) and r.run_id = d.run_id and r.url_key = d.url_key
    returning r.lane_id, r.source_no, r.is_sitemap, r.priority, d.has_place as had_place, d.cause
  ), counted as (
    insert into progress as p (run_id, worker_id, source_no, places, failed, failed_sitemaps, failed_unplaced, failed_by,
      skipped, skipped_by)
    select this_run.run_id, people, source_no, case when requeue then 0 else -count(*) filter (where had_place) end,
      -count(*), -count(*) filter (where is_sitemap), -count(*) filter (where not had_place and not is_sitemap),
      (select jsonb_object_agg(cause, -n) from (
        select cause, count(*) as n from revived c where c.source_no = revived.source_no group by cause) causes),
      case when requeue then 0 else count(*) end,
      case when requeue then '{}' else jsonb_build_object('Cleared', count(*)) end
    from revived group by source_no order by source_no
    on conflict (run_id, source_no, worker_id) do update set
      places = p.places + excluded.places, failed = p.failed + excluded.failed,
      failed_sitemaps = p.failed_sitemaps + excluded.failed_sitemaps,
      failed_unplaced = p.failed_unplaced + excluded.failed_unplaced,
      failed_by = add_counts(p.failed_by, excluded.failed_by),
      skipped = p.skipped + excluded.skipped, skipped_by = add_counts(p.skipped_by, excluded.skipped_by)
  )
  select count(*), (
    select array_agg((lane_id, n, case when had_place then n else 0 end, time_now, first)::arrival)
    from (select lane_id, had_place, count(*)::int as n, min(priority) as first from revived group by 1, 2) grouped)
  into changed, arrivals from revived;

  if requeue and changed > 0 then
    -- What the run has given up is asked once more; one probe tells.
    delete from unreachable_host u
    where u.run_id = of_run and u.host_id = any (array(select host_id from lane l where l.lane_id = any (lanes)));
    perform queue_at_hosts(arrivals);
  end if;
  return json_build_object('state', 'Changed', 'changed', changed, 'at', last_at::text, 'key', last_key);
end $$;
