-- Moves the share of the host's pages that need the browser a quarter of the way to what one page showed.
create or replace function learn_host_rendering(token text, host_name text, needed boolean) returns real
language plpgsql security definer set search_path from current as $$
declare
  this_run run := live_run_of_token(token);
  id bigint := host_of_run(this_run, host_name);
  seen real := needed::int;
  result real;
begin
  insert into host_rendering as r (host_id, browser_need) values (id, seen / 4)
  on conflict (host_id) do update
  set browser_need = r.browser_need + (seen - r.browser_need) / 4, checked_at = clock_timestamp()
  returning browser_need into result;
  return result;
end $$;
