-- Pushes the host's next time at least this far away, a day at most.
create or replace function defer_host(token text, host_name text, delay_ms double precision) returns void
language plpgsql security definer set search_path from current as $$
declare
  this_run run := live_run_of_token(token);
  id bigint := host_of_run(this_run, host_name);
begin
  update host set next_at = greatest(next_at, clock_timestamp() + least(delay_ms, 86400000) * interval '1 ms')
  where host_id = id;
end $$;
