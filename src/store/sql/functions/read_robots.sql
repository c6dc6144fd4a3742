-- What another run of the scope last learnt of the robots.txt of a host, as JSON; null when nothing is known.
create or replace function read_robots(token text, host_name text) returns json
language plpgsql security definer set search_path from current as $$
declare
  this_run run := run_of_token(token);
begin
  return (
    select json_build_object('verdict', r.verdict, 'body', r.body, 'crawlDelayMs', nullif(h.crawl_delay_ms, 0),
      'ageMs', floor(extract(epoch from clock_timestamp() - r.fetched_at) * 1000))
    from host h join robots r using (host_id)
    where h.scope = this_run.host_scope and h.name = host_name
  );
end $$;
