-- One more try in a row has failed on the direct way: after so many the host goes by the proxy until the cool-down is
-- over. True when it does so from now on. Its slowness was towards the direct way.
--
-- Locks in order: host, blocked_host.
create or replace function report_failure(
  token text, host_name text, failure_threshold int, cooldown_ms double precision, evidence text) returns boolean
language plpgsql security definer set search_path from current as $$
declare
  this_run run := live_run_of_token(token);
  id bigint := host_of_run(this_run, host_name);
  is_enough boolean;
begin
  update host set failures = failures + 1, good_answers = 0
  where host_id = id and proxy_until <= clock_timestamp()
  returning failures >= failure_threshold into is_enough;
  if is_enough is not true then
    return false;
  end if;
  update host set failures = 0, slowdown = 1,
    proxy_until = clock_timestamp() + least(cooldown_ms, 86400000) * interval '1 ms'
  where host_id = id;
  insert into blocked_host (run_id, host_id, blocks, evidence)
  select this_run.run_id, id, 0, left(report_failure.evidence, 500)
  where (select count(*) from blocked_host where run_id = this_run.run_id) < 1000
  on conflict do nothing;
  return true;
end $$;
