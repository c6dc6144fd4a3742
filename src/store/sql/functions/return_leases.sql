-- Queues again what the given workers hold, but for the leases with the tokens in kept. A commit that is being written
-- is waited for: what it ends stays ended. A request that was lost ten times with its worker is a dead letter: it may be
-- what kills them. The count is kept by this_worker. To be called once in a
-- transaction, since it locks rows of several kinds.
--
-- Locks in order: request by key, progress, lane by id.
create or replace function return_leases(this_run run, lost uuid[], this_worker uuid, kept uuid[] default null) returns int
language plpgsql set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off
set enable_mergejoin = off set plan_cache_mode = force_generic_plan set jit = off as $$
declare
  most_losses constant int := 10;
  time_now timestamptz := clock_timestamp();
  keys uuid[];
  returned int;
  arrivals arrival[];
begin
  select array_agg(r.url_key order by r.url_key) into keys
  from unnest(lost) worker_id cross join lateral (
    select url_key from request r
    where r.run_day = this_run.run_day and r.run_id = this_run.run_id and r.state = 'leased'
      and r.leased_by = worker_id and (kept is null or r.lease_token <> all (kept)) offset 0) r;
  select array_agg(r.url_key) into keys
  from unnest(keys) key cross join lateral (
    select url_key from request r
    where r.run_day = this_run.run_day and r.run_id = this_run.run_id and r.url_key = key and r.state = 'leased'
      and r.leased_by = any (lost) and (kept is null or r.lease_token <> all (kept))
    limit 1 for no key update) r;
  with freed as (
    update request r
    set state = case when r.lease_losses + 1 < most_losses then 'queued' else 'dead' end::request_state,
      lease_losses = r.lease_losses + 1, lease_token = null, leased_by = null, available_at = time_now, priority = 0,
      has_place = r.lease_losses + 1 < most_losses or not r.is_sitemap,
      reason = 'LeaseExpired', finished_at = case when r.lease_losses + 1 < most_losses then null else time_now end,
      errors = coalesce(r.errors, '[]') || jsonb_build_object(
        'cause', 'LeaseExpired', 'at', time_now,
        'message', case when kept is null then 'worker ' || r.leased_by || ' was lost'
          else 'the answer to the claim of worker ' || r.leased_by || ' was lost' end)
    from (select this_run.run_id, key as url_key from unnest(keys) key limit cardinality(keys)) held
    where (r.run_day = this_run.run_day or r.run_day is null) and r.run_id = held.run_id and r.url_key = held.url_key
    returning r.lane_id, r.source_no, r.state, r.is_sitemap
  ), counted as (
    insert into progress as p (run_id, worker_id, source_no, leased, places, failed, failed_sitemaps, failed_by,
      last_error, last_error_at)
    select this_run.run_id, this_worker, source_no, -count(*), -count(*) filter (where state = 'dead' and is_sitemap),
      count(*) filter (where state = 'dead'), count(*) filter (where state = 'dead' and is_sitemap),
      case when bool_or(state = 'dead')
        then jsonb_build_object('LeaseExpired', count(*) filter (where state = 'dead')) else '{}' end,
      max('LeaseExpired: lost ' || most_losses || ' workers') filter (where state = 'dead'),
      max(time_now) filter (where state = 'dead')
    from freed group by source_no order by source_no
    on conflict (run_id, source_no, worker_id) do update set
      leased = p.leased + excluded.leased, places = p.places + excluded.places, failed = p.failed + excluded.failed,
      failed_sitemaps = p.failed_sitemaps + excluded.failed_sitemaps,
      failed_by = add_counts(p.failed_by, excluded.failed_by),
      last_error = coalesce(excluded.last_error, p.last_error),
      last_error_at = coalesce(excluded.last_error_at, p.last_error_at)
  )
  select count(*), array_agg((lane_id, 1, 1, time_now, 0)::arrival) filter (where state = 'queued')
  into returned, arrivals from freed;
  perform queue_at_hosts(arrivals);
  return returned;
end $$;
