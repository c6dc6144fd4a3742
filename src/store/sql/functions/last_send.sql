-- How late the send of a turn may be: by a tenth of the delay, which leaves another tenth to the way to the server before
-- two come closer than 0.8 of it. Later than that, a worker has to take another place. Null below 10 ms of delay.
--
-- Asked for each claim: written so that the planner puts its expression in the place of the call (language sql, stable,
-- no settings of its own).
create or replace function last_send(turn timestamptz, delay interval) returns timestamptz
language sql stable as $$
  select case when delay >= '10 ms' then turn + 0.1 * delay end
$$;
