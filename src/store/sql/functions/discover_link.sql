-- As discover, for one link in a run without limits of depth whose spec was not edited, of a host at which the run has something waiting
-- already; null, with nothing written, for any other. Of each page there is one link that is the first one to it, so a page
-- brings about one, and one needs no joins and sums.
--
-- Locks in order: request, progress. Called by discover alone, whose settings hold here.
create or replace function discover_link(this_run run, this_worker uuid, link json) returns arrival[]
language plpgsql as $$
declare
  time_now timestamptz := clock_timestamp();
  leads record;
  target bigint;
begin
  if this_run.is_depth_limited or this_run.max_depth is not null or this_run.live_version > 0 then
    return null;
  end if;
  select l.*, s.source_no into leads
  from json_to_record(link) as l(key uuid, url text, host text, source text, depth smallint, redirects jsonb, sitemap boolean,
    "listingPage" smallint)
  join source s on s.run_id = this_run.run_id and s.name = l.source and s.active;
  if not found then
    return '{}';
  end if;
  select k.lane_id into target from host h
  join lane_key k on k.run_id = this_run.run_id and k.host_id = h.host_id and k.source_no = leads.source_no
  where h.scope = this_run.host_scope and h.name = leads.host;
  if not found then
    return null;
  end if;
  insert into request (run_id, url_key, run_day, lane_id, available_at, source_no, depth, priority, url, redirects, is_sitemap,
    listing_page, state)
  values (this_run.run_id, leads.key, this_run.run_day, target, time_now, leads.source_no, leads.depth, leads.depth, leads.url,
    leads.redirects, coalesce(leads.sitemap, false), coalesce(leads."listingPage", 1), 'queued')
  on conflict do nothing;
  if not found then
    return '{}';
  end if;
  update progress p set discovered = p.discovered + 1, sitemaps = p.sitemaps + coalesce(leads.sitemap, false)::int
  where p.run_id = this_run.run_id and p.worker_id = this_worker and p.source_no = leads.source_no;
  if not found then
    insert into progress (run_id, worker_id, source_no, discovered, sitemaps)
    values (this_run.run_id, this_worker, leads.source_no, 1, coalesce(leads.sitemap, false)::int);
  end if;
  return array[(target, 1, 0, time_now, leads.depth)::arrival];
end $$;
