-- When a run that waits at a shared host may look again, with the host's next turn at host_at: when half of what others
-- have before it has passed, a second or one turn at most, since they may leave. So a run looks the more often the nearer its
-- turn is, and twenty runs do not look in vain at each turn. Of runs that have had the same, one goes
-- first; one slower than the host takes a single turn at a time.
create or replace function look_again(
  this_run run, of_host bigint, served double precision, host_at timestamptz, spacing_ms double precision,
  time_now timestamptz) returns timestamptz
language sql stable set search_path from current as $$
  select host_at + interval '1 ms' * least(
    0.5 * coalesce(sum(case when s.delay_ms > spacing_ms then spacing_ms
      else greatest((served - s.served_ms) * s.weight, spacing_ms) end), 0),
    greatest(spacing_ms, 1000))
  from host_share s
  where s.host_id = of_host and s.waits and s.active_until > time_now
    and (s.served_ms, s.run_id) < (served, this_run.run_id)
$$;
