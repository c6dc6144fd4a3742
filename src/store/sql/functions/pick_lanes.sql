-- Locks the lanes that are due and their hosts, the longest due first and at most this many, and passes over those that
-- another claim has locked. lanes is null when there are none; shared are the hosts among them that other runs ask, too.
-- Lanes of full sources are left out but for their retries, and those of hosts that the run has given up.
--
-- due_from is for the index alone: versions of rows that were due before it are dead, but they cannot go as long as an
-- older snapshot is open.
create or replace function pick_lanes(
  this_run run, room page_room, due_from timestamptz, time_now timestamptz, due_by timestamptz, most int,
  out lanes due_lane[], out shared bigint[], out first_due timestamptz)
language plpgsql set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off
set enable_mergejoin = off set plan_cache_mode = force_generic_plan set jit = off as $$
begin
  select array_agg((lane_no, lane_id, lane_at, source_no, retries, retries_from, front_priority, front_from, host_id, host_at,
      host_next_at, host_spacing(this_run.delay_ms, greatest(crawl_delay_ms, outage_ms), slowdown), name,
      slowdown > 1 or failures > 0, outage_failures > 0, outage_state(outage_failures) in ('Parked', 'Down'),
      proxy_until > time_now)::due_lane order by lane_no),
    array_agg(distinct host_id) filter (where is_shared), min(next_at)
  into lanes, shared, first_due
  from (select *, row_number() over ()::int as lane_no from (
    select l.lane_id, l.ctid as lane_at, l.next_at, l.source_no, l.retries, l.retries_from, l.front_priority, l.front_from,
      h.host_id, h.ctid as host_at, h.next_at as host_next_at, h.name, h.crawl_delay_ms, h.outage_ms, h.outage_failures,
      h.slowdown, h.failures, h.proxy_until,
      -- A host that fails is asked by single probes, whoever sends them.
      h.outage_ms = 0 and (h.shared_until > time_now
        or (h.last_run <> this_run.run_id and h.next_at > time_now - interval '30 s')) as is_shared
    from lane l join host h using (host_id)
    where l.run_id = this_run.run_id and l.next_at <= due_by and l.next_at >= due_from
      and (h.outage_failures = 0 or not exists (
        select from unreachable_host u where u.run_id = l.run_id and u.host_id = l.host_id))
      and (l.retries > 0 or (room.run_left > 0 and l.source_no <> all (room.full_sources)))
    order by l.next_at limit most
    for no key update of l, h skip locked
  ) locked) numbered;
end $$;
