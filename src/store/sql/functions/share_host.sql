-- What a claim may take at a host that other runs ask, too: how far apart turns are, from when on, and how many at once.
-- The caller holds the lock of the host.
--
-- The host is asked at the pace of the fastest run that has work for it. Of the runs that wait for a turn, those go first
-- that have had least of the host's time, by their weight; nobody waits for a run that has all it wants, because of its own
-- pace, its slots or its queue. So each gets its weighted part, and what one leaves goes to the others. See
-- docs/decisions/0053-shared-hosts.md.
create or replace function share_host(this_run run, of_host bigint, time_now timestamptz, horizon interval)
returns host_turns language plpgsql set search_path from current as $$
declare
  -- A run counts until its next turn is so long overdue.
  grace constant interval := '10 s';
  -- All runs together may be ahead of each other by so much of the host's time: a claim brings several turns.
  ahead_ms constant int := 250;
  -- So much of the host's time is kept for a run that waits and comes late, or two turns.
  credit_ms constant int := 2000;
  most_turns constant int := 1000;
  h host;
  mine host_share;
  runs int;
  fastest double precision;
  weights double precision;
  lowest double precision;
  served_from double precision;
  served_to double precision;
  turn timestamptz;
  turns double precision;
begin
  select * into h from host where host_id = of_host;
  insert into host_share as s (host_id, run_id, delay_ms, weight, paced_at, next_at, active_until, served_ms)
  select h.host_id, r.run_id, spacing, r.share_weight,
    case r.run_id when this_run.run_id then time_now else greatest(time_now, h.next_at) end,
    greatest(time_now, h.next_at), greatest(time_now, h.next_at) + grace,
    coalesce((select min(o.served_ms) from host_share o where o.host_id = of_host and o.active_until > time_now), 0)
  from run r cross join lateral host_spacing(r.delay_ms, h.crawl_delay_ms, h.slowdown) spacing
  where r.run_id in (this_run.run_id, h.last_run) and r.finished_at is null
    and (r.run_id = this_run.run_id or h.shared_until <= time_now)
  order by r.run_id
  on conflict (host_id, run_id) do update set
    delay_ms = excluded.delay_ms,
    paced_at = case when s.active_until > time_now then s.paced_at else greatest(s.paced_at, time_now) end,
    active_until = greatest(s.active_until, excluded.active_until, s.next_at + grace);
  select * into mine from host_share s where s.host_id = of_host and s.run_id = this_run.run_id;

  select count(*), min(s.delay_ms), sum(s.weight),
    min(s.served_ms) filter (where s.waits and s.run_id <> this_run.run_id)
  into runs, fastest, weights, lowest
  from host_share s where s.host_id = of_host and s.active_until > time_now;
  if runs = 1 then
    return (of_host, mine.delay_ms, null, null, null, null)::host_turns;
  end if;
  update host set shared_until = greatest(shared_until, time_now + 2 * grace)
  where host_id = of_host and shared_until < time_now + grace;

  -- The others' paces are those of their last claims; what the host asks for holds at once.
  fastest := greatest(fastest, host_spacing(0, h.crawl_delay_ms, h.slowdown), 0.001);
  served_from := greatest(mine.served_ms, lowest - greatest(2 * fastest, credit_ms) / mine.weight);
  served_to := lowest + ahead_ms / weights;
  turn := greatest(h.next_at, mine.next_at, time_now);
  turns := case
    when lowest is null then most_turns
    when served_from <= served_to then 1 + floor((served_to - served_from) * mine.weight / fastest)
    -- Others go first; but what nobody has taken shortly before its time is left to whoever asks.
    else 1 + floor(extract(epoch from time_now + untaken_at() - turn) * 1000 / fastest) end;
  turns := least(greatest(turns, 0), case when mine.delay_ms > fastest then 1 else most_turns end);
  -- The host's time never goes back: turns between its next one and this run's would be lost for all, so they are left to
  -- others until shortly before.
  if mine.next_at > greatest(h.next_at + fastest * interval '1 ms', time_now + untaken_at()) then
    return (of_host, fastest, mine.next_at + horizon - untaken_at(), 0, served_from, served_to)::host_turns;
  end if;
  return (of_host, fastest, case when turns > 0 then mine.next_at
    else look_again(this_run, of_host, served_from, turn, fastest, time_now) + horizon - untaken_at() end, turns,
    served_from, served_to)::host_turns;
end $$;
