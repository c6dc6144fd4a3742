-- What so many failures in a row make of a host: Up, Slow from the third on, Parked from the fifth on, when tries are
-- single probes with growing pauses between them, and Down after seven probes in vain.
create or replace function outage_state(failures int) returns text
language sql immutable as $$
  select case when failures < 3 then 'Up' when failures < 5 then 'Slow' when failures < 12 then 'Parked' else 'Down' end
$$;
