-- Notes the turns that a claim took at shared hosts and whether the run waits there for more, and returns the shares with
-- the time when it may look again.
create or replace function settle_shares(
  this_run run, shares host_turns[], picks pick[], slots int, time_now timestamptz, horizon interval)
returns host_turns[] language plpgsql set search_path from current as $$
declare
  grace constant interval := '10 s';
  -- A run that is so far behind its own pace, and waits, is held back by the others; its status says so for ten seconds more.
  far_behind constant interval := '1 s';
  has_slots constant boolean := coalesce(cardinality(picks), 0) < slots;
  settled host_turns[];
begin
  with taken as (
    select t.*, count(p.host_id) as n, min(p.turn) as first_turn, max(p.turn) as last_turn,
      coalesce(max(p.turn) + t.spacing_ms * interval '1 ms', h.next_at) as host_at,
      (select sum(queued) from lane l where l.run_id = this_run.run_id and l.host_id = t.host_id) as queued
    from unnest(shares) t join host h using (host_id) left join unnest(picks) p on p.host_id = t.host_id
    where t.turns is not null
    group by t.host_id, t.spacing_ms, t.not_before, t.turns, t.served_from, t.served_to, h.next_at
  ), paced as (
    select taken.*, s.active_until, coalesce(first_turn, host_at) - s.paced_at >= far_behind as is_behind,
      served_from + n * spacing_ms / s.weight as served_ms,
      case n when 0 then s.paced_at else paced_turns(s.paced_at, s.delay_ms, n, last_turn, spacing_ms) end as paced_at,
      case n when 0 then s.next_at else earliest_turn(s.paced_at, s.delay_ms, n, last_turn, spacing_ms) end as next_at
    from taken join host_share s on s.host_id = taken.host_id and s.run_id = this_run.run_id
  ), judged as (
    select paced.*, queued > n and has_slots and paced_at < host_at
      and (n = turns or host_at > time_now + horizon) as waits
    from paced
  ), moved as (
    update host_share s set
      held_until = case when judged.waits and is_behind then judged.host_at + grace else s.held_until end,
      served_ms = judged.served_ms, paced_at = judged.paced_at, next_at = judged.next_at, waits = judged.waits,
      active_until = case when queued > n then greatest(judged.active_until, judged.next_at + grace)
        else coalesce(last_turn, time_now) end
    from judged where s.host_id = judged.host_id and s.run_id = this_run.run_id
  )
  select array_agg((host_id, spacing_ms, case
    when turns = 0 then not_before
    when next_at > host_at + spacing_ms * interval '1 ms' then next_at + horizon - untaken_at()
    when waits then greatest(next_at, look_again(this_run, host_id, served_ms, host_at, spacing_ms, time_now)
      + case when served_ms > served_to then horizon - untaken_at() else '0' end)
    else next_at end, turns, served_from, served_to)::host_turns)
  into settled from judged;
  return coalesce(settled, '{}');
end $$;
