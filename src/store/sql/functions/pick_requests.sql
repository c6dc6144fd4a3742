-- Chooses the best requests of the locked lanes, each with its turn at its host, at most slots of them and no more than
-- the page limits have room for. A new statement, so a new snapshot: whoever held these hosts before has committed, and
-- what it leased is seen.
--
-- Of one lane come first those that hold a place in the page limits (retries, what was lost with its worker), then by
-- depth, then by the time of discovery; the lane knows where either begins. shares are the hosts that other runs ask, too.
create or replace function pick_requests(
  this_run run, lanes due_lane[], shares host_turns[], room page_room, slots int, per_host int,
  lateness_ms double precision, time_now timestamptz, horizon interval) returns pick[]
language plpgsql set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off
set enable_mergejoin = off set plan_cache_mode = force_generic_plan set jit = off as $$
declare
  -- So much of the horizon at most is left to a worker whose answers come late: with more it would never be offered any.
  longest_head_start constant interval := '400 ms';
  sole constant due_lane := lanes[1];
  first_key uuid;
  holds_place boolean;
  first_turn timestamptz;
begin
  -- For one slot there is one lane, and of that the first request.
  if slots = 1 and cardinality(lanes) = 1 and shares = '{}' then
    first_turn := greatest(sole.host_next_at, time_now + least(head_start(sole.spacing_ms, lateness_ms), longest_head_start));
    if first_turn > time_now + horizon then
      return null;
    end if;
    if sole.retries > 0 then
      select r.url_key, r.has_place into first_key, holds_place from request r
      where r.run_day = this_run.run_day and r.lane_id = sole.lane_id
        and r.state = 'queued' and r.has_place and r.priority = 0
        and r.available_at >= sole.retries_from and r.available_at <= time_now
      order by r.available_at limit 1;
    end if;
    if first_key is null and sole.source_no <> all (room.full_sources)
      and least(room.run_left, coalesce(room.source_left[sole.source_no + 1], room.run_left)) > 0 then
      select r.url_key, r.has_place into first_key, holds_place from request r
      where r.run_day = this_run.run_day and r.lane_id = sole.lane_id
        and r.state = 'queued' and not r.has_place
        and (r.priority, r.available_at) >= (sole.front_priority, sole.front_from) and r.available_at <= time_now
      order by r.priority, r.available_at limit 1;
    end if;
    if first_key is null then
      return null;
    end if;
    return array[(this_run.run_id, first_key, sole.lane_id, sole.host_id, sole.source_no, holds_place, first_turn, first_turn,
      sole.spacing_ms * interval '1 ms', sole.lane_no)::pick];
  end if;

  return (
    with offer as (
      select l.*,
        greatest(l.host_next_at, time_now + least(head_start(l.spacing_ms, lateness_ms), longest_head_start), s.not_before)
          as base,
        coalesce(s.spacing_ms, l.spacing_ms) * interval '1 ms' as delay,
        least(greatest(per_host, ceil(slots::numeric / count(*) over ())), s.turns)::int as quota,
        case when l.source_no = any (room.full_sources) then 0 else room.run_left end as room_left
      from unnest(lanes) l
      left join lateral (select * from unnest(shares) s where s.host_id = l.host_id) s on true
    ), candidate as (
      select lane_no, offer.lane_id, host_id, source_no, delay, best.url_key, best.has_place, best.priority,
        best.available_at, base + delay * (row_number() over (
          partition by host_id order by best.has_place desc, best.priority, best.available_at) - 1) as turn
      from offer cross join lateral (
        (select url_key, has_place, priority, available_at from request r
          where offer.retries > 0 and r.run_day = this_run.run_day and r.lane_id = offer.lane_id
            and r.state = 'queued' and r.has_place and r.priority = 0
            and r.available_at >= offer.retries_from and r.available_at <= time_now
          order by r.available_at limit offer.quota)
        union all
        (select url_key, has_place, priority, available_at from request r
          where r.run_day = this_run.run_day and r.lane_id = offer.lane_id
            and r.state = 'queued' and not r.has_place
            and (r.priority, r.available_at) >= (offer.front_priority, offer.front_from) and r.available_at <= time_now
          order by r.priority, r.available_at limit least(offer.quota, offer.room_left))
      ) best
    ), ranked as (
      select *,
        count(*) filter (where not has_place) over (order by turn, lane_id, priority, available_at, url_key) as run_rank,
        count(*) filter (where not has_place)
          over (partition by source_no order by turn, lane_id, priority, available_at, url_key) as source_rank
      from candidate where turn <= time_now + horizon
    ), chosen as (
      select * from ranked
      where has_place
        or (run_rank <= room.run_left and source_rank <= coalesce(room.source_left[source_no + 1], room.run_left))
      order by turn, lane_id, priority, available_at, url_key limit slots
    )
    select array_agg((this_run.run_id, url_key, lane_id, host_id, source_no, has_place, turn, last_turn, delay, lane_no)::pick
      order by turn)
    from (select *, max(turn) over (partition by host_id) as last_turn from chosen) turns);
end $$;
