-- Keeps the robots.txt of a host, the same for every run in the scope; crawl_delay_ms is what it asks of the user agent of this run.
create or replace function write_robots(token text, host_name text, verdict text, body text, crawl_delay_ms int)
returns void language plpgsql security definer set search_path from current as $$
declare
  this_run run := live_run_of_token(token);
  id bigint := host_of_run(this_run, host_name);
begin
  insert into robots as r (host_id, verdict, body) values (id, write_robots.verdict, write_robots.body)
  on conflict (host_id) do update
  set verdict = excluded.verdict, body = excluded.body, fetched_at = clock_timestamp();
  perform keep_crawl_delay(this_run, id, write_robots.crawl_delay_ms);
end $$;
