-- Moves the next time of each host behind the turns that were given out, and brings the locked lanes up to date: how much
-- is queued there, and when to look again. A lane that turned out to be not due is marked so.
create or replace function move_hosts(
  this_run run, lanes bigint[], picks pick[], shares host_turns[], time_now timestamptz) returns void
language plpgsql set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off
set enable_mergejoin = off set plan_cache_mode = force_generic_plan set jit = off as $$
begin
  update host h
  set next_at = spent.next_at, last_run = this_run.run_id
  from (select host_id, max(last_turn + delay) as next_at from unnest(picks) group by host_id) spent
  where h.host_id = spent.host_id;

  update lane l
  set queued = l.queued - claimed, retries = l.retries - retried,
    next_at = case when l.queued > claimed then greatest(
      time_now,
      (select h.next_at from host h where h.host_id = l.host_id),
      (select s.not_before from unnest(shares) s where s.host_id = l.host_id),
      least(
        (select r.available_at from request r
          where r.run_day = this_run.run_day and r.lane_id = l.lane_id and r.state = 'queued'
            and r.has_place and r.priority = 0
          order by r.available_at limit 1),
        (select r.available_at from request r
          where r.run_day = this_run.run_day and r.lane_id = l.lane_id and r.state = 'queued' and not r.has_place
          order by r.priority, r.available_at limit 1))) end
  from (
    select lane_id, count(is_claim) as claimed, count(*) filter (where is_retry) as retried
    from (
      select unnest(lanes) as lane_id, null::boolean as is_claim, false as is_retry
      union all
      select p.lane_id, true, p.has_place from unnest(picks) p) rows
    group by lane_id
  ) taken
  where l.lane_id = any (lanes) and l.lane_id = taken.lane_id;
end $$;
