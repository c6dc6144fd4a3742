-- This run's part of a host that other runs ask, too: from when on it may take turns there, how many at once, and how far
-- they are apart. The caller holds the lock of the host.
--
-- The host is asked at the pace of the fastest run that has work for it. That is dealt out by weight, and no run gets more
-- than its own pace: what a slow one leaves goes to the others. Each run's next turn is due when its part says so, and a
-- run that came late catches up within two seconds or two turns. A run counts until its next turn is ten seconds overdue.
create or replace function share_host(this_run run, of_host bigint, time_now timestamptz, horizon interval)
returns host_turns language plpgsql set search_path from current as $$
declare
  grace constant interval := '10 s';
  h host;
  mine host_share;
  other record;
  runs int;
  fastest double precision;
  own_rate double precision;
  rate_left double precision;
  weight_left double precision;
  due timestamptz;
begin
  select * into h from host where host_id = of_host;
  insert into host_share as s (host_id, run_id, delay_ms, fair_ms, weight, next_at, active_until)
  select h.host_id, r.run_id, spacing, spacing, r.share_weight, greatest(time_now, h.next_at),
    greatest(time_now, h.next_at) + grace
  from run r cross join lateral host_spacing(r.delay_ms, h.crawl_delay_ms, h.slowdown) spacing
  where r.run_id in (this_run.run_id, h.last_run) and r.finished_at is null
    and (r.run_id = this_run.run_id or h.shared_until <= time_now)
  order by r.run_id
  on conflict (host_id, run_id) do update set
    delay_ms = excluded.delay_ms, weight = excluded.weight,
    active_until = greatest(s.active_until, excluded.active_until, s.next_at + grace);
  select * into mine from host_share s where s.host_id = of_host and s.run_id = this_run.run_id;

  select count(*), min(s.delay_ms), sum(s.weight) into runs, fastest, weight_left
  from host_share s where s.host_id = of_host and s.active_until > time_now;
  if runs = 1 then
    return (of_host, mine.delay_ms, mine.paced_at, null)::host_turns;
  end if;
  update host set shared_until = greatest(shared_until, time_now + 2 * grace)
  where host_id = of_host and shared_until < time_now + grace;

  -- Those go first whose own pace is the smallest beside their weight: what they do not take is left to the others.
  rate_left := 1 / greatest(fastest, 0.001);
  for other in
    select s.run_id, s.weight, 1 / greatest(s.delay_ms, 0.001) as rate from host_share s
    where s.host_id = of_host and s.active_until > time_now
    order by s.delay_ms * s.weight desc
  loop
    own_rate := least(other.rate, rate_left * other.weight / weight_left);
    exit when other.run_id = this_run.run_id;
    rate_left := rate_left - own_rate;
    weight_left := weight_left - other.weight;
  end loop;

  mine.fair_ms := 1 / greatest(own_rate, 1e-9);
  due := greatest(mine.next_at, time_now - greatest(2 * mine.fair_ms, 2000) * interval '1 ms');
  update host_share s set fair_ms = mine.fair_ms, next_at = due where s.host_id = of_host and s.run_id = this_run.run_id;
  return (of_host, fastest, greatest(due, mine.paced_at), case
    when mine.delay_ms > fastest then 1
    else greatest(1, 1 + floor(extract(epoch from time_now + horizon - due) * 1000 / mine.fair_ms)) end)::host_turns;
end $$;
