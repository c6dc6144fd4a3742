-- When to ask again: when the next lane is due, every 250 ms at least, since others may bring it forward. 5 ms when one
-- is due but held by another worker, or when nothing is queued: how often to ask in vain is for the worker to decide.
create or replace function retry_in_ms(next_due timestamptz, horizon interval) returns int
language sql as $$
  select least(250, greatest(5, ceil(extract(epoch from next_due - horizon - clock_timestamp()) * 1000)))::int
$$;
