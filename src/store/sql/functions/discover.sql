-- Puts the links that the frontier does not know yet into it; links is JSON: [{key, url, host, source, depth, redirects,
-- sitemap, listingPage, excludedBy}]. Deeper links than the run follows, and those of inactive sources, are left out;
-- what is excluded by the newest spec (excludedBy is the number of its change) comes in as skipped, to be queued should that be taken back,
-- and so do deeper links of an edited run: who found them went by an earlier limit, and does not say that its page was cut off;
-- in runs with a depth limit, links that make a known request nearer are noted for take_shorter_paths. The
-- caller hands what it returns to queue_at_hosts, together with whatever else it queues: those rows have to be locked in one go.
--
-- Locks in order: host by name, lane_key by (host, source), request by key, progress.
create or replace function discover(this_run run, this_worker uuid, links json) returns arrival[]
language plpgsql set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off
set enable_mergejoin = off set plan_cache_mode = force_generic_plan set jit = off set enable_hashjoin = on as $$
declare
  time_now timestamptz := clock_timestamp();
  newest run;
  arrivals arrival[];
  hosts text[];
  source_nos smallint[];
begin
  if json_array_length(links) = 1 then
    arrivals := discover_link(this_run, this_worker, links->0);
    if arrivals is not null then
      return arrivals;
    end if;
  end if;
  if this_run.live_version > 0 then
    -- As it is now: the caller may have waited since it read its run.
    select * into newest from run where run_id = this_run.run_id;
  end if;

  -- Most links are of hosts at which the run has something waiting already: only where one is not, nothing is put in at first.
  loop
    with link as materialized (
      select l.*, s.source_no
      from rows from (json_to_recordset(links)
        as (key uuid, url text, host text, source text, depth smallint, redirects jsonb, sitemap boolean,
          "listingPage" smallint, "excludedBy" int)) with ordinality
        as l(key, url, host, source, depth, redirects, sitemap, listing_page, excluded_by, place)
      join source s on s.run_id = this_run.run_id and s.name = l.source and s.active
      where (sitemap or this_run.max_depth is null or depth <= this_run.max_depth or this_run.live_version > 0)
        and (
          select r.url_key from request r
          where r.run_day = this_run.run_day and r.run_id = this_run.run_id and r.url_key = l.key) is null
    ), target as materialized (
      select l.host, l.source_no, (
        select k.lane_id from host h join lane_key k on k.run_id = this_run.run_id and k.host_id = h.host_id and k.source_no = l.source_no
        where h.scope = this_run.host_scope and h.name = l.host) as lane_id
      from (select distinct host, source_no from link) l
    ), added as (
      insert into request (run_id, url_key, run_day, lane_id, available_at, source_no, depth, priority, url,
        redirects, is_sitemap, listing_page, state, reason, finished_at)
      select this_run.run_id, key, this_run.run_day, target.lane_id, time_now + place * interval '1 us',
        l.source_no, depth, depth, url, l.redirects, coalesce(l.sitemap, false), coalesce(l.listing_page, 1),
        case when objection is null then 'queued' else 'skipped' end::request_state, objection,
        case when objection is not null then time_now end
      from link l join target on target.host = l.host and target.source_no = l.source_no
      cross join lateral (select case when l.sitemap is not true and l.depth > newest.max_depth then 'MaxDepth'
        when l.excluded_by >= newest.live_version then 'Excluded' end as objection) judged
      where not exists (select from target where lane_id is null)
      order by key
      on conflict do nothing
      returning lane_id, source_no, is_sitemap, priority, state, reason
    ), counted as (
      insert into progress as p (run_id, worker_id, source_no, discovered, sitemaps, skipped, skipped_by)
      select this_run.run_id, this_worker, source_no, count(*), count(*) filter (where is_sitemap),
        count(*) filter (where state = 'skipped'),
        case when bool_or(state = 'skipped') then (
          select jsonb_object_agg(reason, n) from (
            select reason, count(*) as n from added a
            where a.source_no = added.source_no and a.state = 'skipped' group by 1) reasons) else '{}' end
      from added group by source_no order by source_no
      on conflict (run_id, worker_id, source_no)
      do update set discovered = p.discovered + excluded.discovered, sitemaps = p.sitemaps + excluded.sitemaps,
        skipped = p.skipped + excluded.skipped,
        skipped_by = case when excluded.skipped_by = '{}' then p.skipped_by else add_counts(p.skipped_by, excluded.skipped_by) end
    )
    select
      array(select (lane_id, count(*), 0, time_now, min(priority))::arrival from added where state = 'queued' group by lane_id),
      array(select host from target where lane_id is null), array(select source_no from target where lane_id is null)
    into arrivals, hosts, source_nos;
    exit when hosts = '{}';
    perform make_lanes(this_run, hosts, source_nos);
  end loop;

  if this_run.is_depth_limited then
    perform note_shorter_paths(this_run, links);
  end if;
  return arrivals;
end $$;
