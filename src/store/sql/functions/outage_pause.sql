-- Milliseconds between two tries at a host that has failed so often in a row: 500, 1,000 and then 2,000, doubling to
-- 128,000. A probe is not sent while the one before it may still be under way, so pauses are as long as a try takes.
create or replace function outage_pause(failures int, try_ms double precision) returns int
language sql immutable as $$
  select case when failures < 3 then 0 when failures < 5 then 250 * 2 ^ (failures - 2)
    else least(greatest(1000 * 2 ^ (failures - 4), try_ms), 128000) end::int
$$;
