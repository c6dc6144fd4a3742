-- What the robots.txt of a host, fetched by whoever it was, asks of the user agent of this run; null for nothing.
create or replace function set_crawl_delay(token text, host_name text, crawl_delay_ms int) returns void
language plpgsql security definer set search_path from current as $$
declare
  this_run run := live_run_of_token(token);
begin
  perform keep_crawl_delay(this_run, host_of_run(this_run, host_name), set_crawl_delay.crawl_delay_ms);
end $$;
