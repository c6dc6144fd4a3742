-- Moves the next time of each host behind the turns that were given out, and brings the locked lanes up to date: how much
-- is queued there, where that begins, and when to look again. A lane that turned out to be not due is marked so.
-- Rows of shared hosts have changed since they were locked.
create or replace function move_hosts(
  this_run run, lanes due_lane[], picks pick[], shares host_turns[], time_now timestamptz) returns void
language plpgsql set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off
set enable_mergejoin = off set plan_cache_mode = force_generic_plan set jit = off as $$
declare
  shared bigint[] := array(select host_id from unnest(shares));
  sole_lane constant due_lane := lanes[1];
  sole_pick constant pick := picks[1];
  next_retry timestamptz;
  next_priority smallint;
  next_front timestamptz;
  moved int;
begin
  -- One request of one lane is the usual claim of a worker at work. Statements without joins and sums are set up much sooner.
  if cardinality(lanes) = 1 and cardinality(picks) = 1 and shares = '{}' then
    update host h set next_at = sole_pick.turn + sole_pick.delay, last_run = this_run.run_id where h.ctid = sole_lane.host_at;
    if sole_lane.retries > sole_pick.has_place::int then
      select r.available_at into next_retry from request r
      where r.run_day = this_run.run_day and r.lane_id = sole_lane.lane_id
        and r.state = 'queued' and r.has_place and r.priority = 0 and r.available_at >= sole_lane.retries_from
      order by r.available_at limit 1;
    end if;
    select r.priority, r.available_at into next_priority, next_front from request r
    where r.run_day = this_run.run_day and r.lane_id = sole_lane.lane_id and r.state = 'queued' and not r.has_place
      and (r.priority, r.available_at) >= (sole_lane.front_priority, sole_lane.front_from)
    order by r.priority, r.available_at limit 1;
    update lane l
    set queued = l.queued - 1, retries = l.retries - sole_pick.has_place::int,
      next_at = case when l.queued > 1 then greatest(time_now, sole_pick.turn + sole_pick.delay, least(next_retry, next_front)) end,
      retries_from = coalesce(next_retry, 'infinity'),
      front_priority = coalesce(next_priority, 32767), front_from = coalesce(next_front, 'infinity')
    where l.ctid = sole_lane.lane_at;
    if not found then
      raise exception 'a lane was changed while a claim held it' using errcode = '40001';
    end if;
    return;
  end if;

  update host h
  set next_at = spent.next_at, last_run = this_run.run_id
  from (
    select (lanes[min(lane_no)]).host_at, max(last_turn + delay) as next_at from unnest(picks)
    where host_id <> all (shared) group by host_id) spent
  where h.ctid = spent.host_at;
  if shared <> '{}' then
    update host h
    set next_at = spent.next_at, last_run = this_run.run_id
    from (
      select host_id, max(last_turn + delay) as next_at from unnest(picks)
      where host_id = any (shared) group by host_id) spent
    where h.host_id = spent.host_id;
  end if;

  update lane l
  set queued = l.queued - taken.claimed, retries = l.retries - taken.retried,
    next_at = case when l.queued > taken.claimed then greatest(
      time_now, taken.host_next_at,
      (select s.not_before from unnest(shares) s where s.host_id = l.host_id),
      least(retry.available_at, front.available_at)) end,
    retries_from = coalesce(retry.available_at, 'infinity'),
    front_priority = coalesce(front.priority, 32767), front_from = coalesce(front.available_at, 'infinity')
  from (
    select d.lane_id, d.lane_at, d.retries, d.retries_from, d.front_priority, d.front_from,
      coalesce(p.claimed, 0) as claimed, coalesce(p.retried, 0) as retried,
      coalesce(max(p.next_at) over (partition by d.host_id), d.host_next_at) as host_next_at
    from unnest(lanes) d left join (
      select lane_no, count(*) as claimed, count(*) filter (where has_place) as retried, max(last_turn + delay) as next_at
      from unnest(picks) group by lane_no) p on p.lane_no = d.lane_no
  ) taken
  left join lateral (
    select r.available_at from request r
    where taken.retries > taken.retried and r.run_day = this_run.run_day and r.lane_id = taken.lane_id
      and r.state = 'queued' and r.has_place and r.priority = 0 and r.available_at >= taken.retries_from
    order by r.available_at limit 1) retry on true
  left join lateral (
    select r.priority, r.available_at from request r
    where r.run_day = this_run.run_day and r.lane_id = taken.lane_id and r.state = 'queued' and not r.has_place
      and (r.priority, r.available_at) >= (taken.front_priority, taken.front_from)
    order by r.priority, r.available_at limit 1) front on true
  where l.ctid = taken.lane_at;
  get diagnostics moved = row_count;
  if moved <> cardinality(lanes) then
    raise exception 'a lane was changed while a claim held it' using errcode = '40001';
  end if;
end $$;
