-- When a run may take its next turn at a shared host, after so many: a quarter of a second before it is due by its own pace,
-- so that no time of the host is lost to a turn that others could not use, but never closer to its last one than half of its
-- own delay, however late that came.
create or replace function earliest_turn(
  paced_at timestamptz, delay_ms double precision, taken bigint, last_turn timestamptz, spacing_ms double precision)
returns timestamptz language sql immutable as $$
  select greatest(
    paced_turns(paced_at, delay_ms, taken, last_turn, spacing_ms) - interval '250 ms',
    last_turn + 0.5 * delay_ms * interval '1 ms')
$$;
