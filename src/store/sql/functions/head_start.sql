-- How far ahead the next send to a host is placed at least. An answer takes a while to reach the worker, and not always
-- the same while. So the worker tells how late its answers are at worst, and a send is not placed earlier than it can be
-- made in time. Below 10 ms of delay nobody could tell the difference, and speed is what was asked for.
create or replace function head_start(delay_ms double precision, lateness_ms double precision) returns interval
language sql immutable as $$
  select least(greatest(lateness_ms - 0.1 * delay_ms, 0), case when delay_ms < 10 then delay_ms else 1000 end)
    * interval '1 ms'
$$;
