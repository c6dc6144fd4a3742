-- Notes the turns that this run took at shared hosts, and returns the shares with the time of its next one there.
create or replace function settle_shares(this_run run, shares host_turns[], picks pick[], time_now timestamptz)
returns host_turns[] language plpgsql set search_path from current as $$
declare
  grace constant interval := '10 s';
  settled host_turns[];
begin
  with taken as (
    select t.host_id, t.spacing_ms, t.turns, count(p.host_id) as n, max(p.turn) as last_turn,
      (select sum(queued) from lane l where l.run_id = this_run.run_id and l.host_id = t.host_id) as waiting
    from unnest(shares) t left join unnest(picks) p on p.host_id = t.host_id group by 1, 2, 3
  ), moved as (
    update host_share s set
      next_at = s.next_at + n * s.fair_ms * interval '1 ms',
      paced_at = coalesce(last_turn + s.delay_ms * interval '1 ms', s.paced_at),
      active_until = case when waiting > n
        then greatest(s.active_until, s.next_at + n * s.fair_ms * interval '1 ms' + grace)
        else s.next_at + n * s.fair_ms * interval '1 ms' end
    from taken where s.host_id = taken.host_id and s.run_id = this_run.run_id and taken.turns is not null
    returning s.host_id, taken.spacing_ms, greatest(s.next_at, s.paced_at) as not_before, taken.turns
  )
  select array_agg((host_id, spacing_ms, not_before, turns)::host_turns) into settled from moved;
  return coalesce(settled, '{}');
end $$;
