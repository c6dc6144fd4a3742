-- Keeps a host's robots.txt; its crawl delay, a minute at most, spaces the requests of every run in the scope.
create or replace function write_robots(token text, host_name text, verdict text, body text, crawl_delay_ms int)
returns void language plpgsql security definer set search_path from current as $$
declare
  this_run run := live_run_of_token(token);
  id bigint := host_of_run(this_run, host_name);
begin
  insert into robots as r (host_id, verdict, body) values (id, write_robots.verdict, write_robots.body)
  on conflict (host_id) do update
  set verdict = excluded.verdict, body = excluded.body, fetched_at = clock_timestamp();
  update host h set crawl_delay_ms = least(greatest(coalesce(write_robots.crawl_delay_ms, 0), 0), 60000)
  where h.host_id = id;
end $$;
