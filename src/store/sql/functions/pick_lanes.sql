-- Locks the lanes that are due and their hosts, the longest due first and at most this many, and passes over those that
-- another claim has locked. lanes is null when there are none; shared are the hosts among them that other runs ask, too.
-- Lanes of full sources are left out but for their retries, and those of hosts that the run has given up.
--
-- due_from is for the index alone: versions of rows that were due before it are dead, but they cannot go as long as an
-- older snapshot is open. Null looks at all.
create or replace function pick_lanes(
  this_run run, room page_room, due_from timestamptz, time_now timestamptz, due_by timestamptz, most int,
  out lanes bigint[], out shared bigint[], out first_due timestamptz)
language plpgsql set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off
set enable_mergejoin = off set plan_cache_mode = force_generic_plan set jit = off as $$
begin
  select array_agg(lane_id), array_agg(distinct host_id) filter (where is_shared), min(next_at)
  into lanes, shared, first_due
  from (
    select l.lane_id, l.host_id, l.next_at,
      -- A host that fails is asked by single probes, whoever sends them.
      h.outage_ms = 0 and (h.shared_until > time_now
        or (h.last_run <> this_run.run_id and h.next_at > time_now - interval '30 s')) as is_shared
    from lane l join host h using (host_id)
    where l.run_id = this_run.run_id and l.next_at <= due_by and l.next_at >= coalesce(due_from, '-infinity')
      and (h.outage_failures = 0 or not exists (
        select from unreachable_host u where u.run_id = l.run_id and u.host_id = l.host_id))
      and (l.retries > 0 or (room.run_left > 0 and l.source_no <> all (room.full_sources)))
    order by l.next_at limit most
    for no key update of l, h skip locked
  ) locked;
end $$;
