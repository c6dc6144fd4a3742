-- Puts links into the frontier while the request that they are found at is still being read; they are as for discover.
-- 'Lost' when the request is not leased with the token any more, and 'Full' when the run has more waiting than its page
-- limit can make use of, or has been led to too many sitemaps: in both cases nothing was put in.
-- server as for claim_requests.
--
-- Locks in order: as commit_outcomes.
create or replace function add_links(token text, this_worker uuid, key uuid, lease uuid, links json, server text)
returns text
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off
set enable_mergejoin = off set plan_cache_mode = force_generic_plan set jit = off as $$
declare
  most_sitemaps constant int := 10000;
  this_run run := live_run_of_token(token);
  most_open constant bigint := 10000 + 4 * this_run.max_pages::bigint;
  arrivals arrival[];
begin
  perform same_server(server);
  perform take_turn(this_run, this_worker);
  perform from request r
  where r.run_day = this_run.run_day and r.run_id = this_run.run_id and r.url_key = key and r.lease_token = lease
  for no key update;
  if not found then
    return 'Lost';
  end if;
  if (select sum(discovered - succeeded - failed - skipped) > most_open or sum(sitemaps) > most_sitemaps
      from progress where run_id = this_run.run_id) then
    return 'Full';
  end if;
  arrivals := discover(this_run, this_worker, links);
  if arrivals <> '{}' then
    perform queue_at_hosts(arrivals);
  end if;
  return 'Added';
end $$;
