-- When the next turn of a run is due by its own pace, after so many turns: counted from when they were due and not from when
-- they came, since others may have come in between; but what comes more than a second late is not made up for.
create or replace function paced_turns(
  paced_at timestamptz, delay_ms double precision, taken bigint, last_turn timestamptz, spacing_ms double precision)
returns timestamptz language sql immutable as $$
  select greatest(paced_at, last_turn - (taken - 1) * spacing_ms * interval '1 ms' - interval '1 s')
    + taken * delay_ms * interval '1 ms'
$$;
