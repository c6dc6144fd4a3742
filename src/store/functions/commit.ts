// Putting requests in and taking results: seed, commit, and what both share.
import { MAX_BLOCKED_RETRIES } from '../worker-store.ts';
import { QUEUE_PLANS } from './queue-plans.ts';

/**
 * Adds two objects of counters, key by key.
 */
const addCounts = `
create or replace function add_counts(a jsonb, b jsonb) returns jsonb
language sql immutable set search_path from current as $$
  select case when b = '{}' then a else (
    select jsonb_object_agg(key, total) from (
      select key, sum(value::bigint) as total
      from (select * from jsonb_each_text(a) union all select * from jsonb_each_text(b)) counts group by key
    ) totals
  ) end
$$`;

/**
 * Puts the links that the frontier does not know yet into it; links is JSON: [{key, url, host, source, depth, redirects,
 * sitemap, listingPage}]. Deeper links than the run follows, and those of inactive sources, are left out. The caller hands what it returns to
 * queue_at_hosts, together with whatever else it queues: those rows have to be locked in one go.
 *
 * Locks in order: host by name, run_host by (host, source), request by key, progress.
 */
const discover = `
create or replace function discover(this_run run, me uuid, links json) returns arrival[]
language plpgsql set search_path from current
${QUEUE_PLANS} set enable_hashjoin = on as $$
declare
  moment timestamptz := clock_timestamp();
  keys uuid[];
  urls text[];
  hosts text[];
  source_nos smallint[];
  depths smallint[];
  redirects_of jsonb[];
  are_sitemaps boolean[];
  listing_pages smallint[];
  arrivals arrival[];
begin
  select array_agg(key order by place), array_agg(url order by place), array_agg(l.host order by place),
    array_agg(s.source_no order by place), array_agg(depth order by place),
    array_agg(l.redirects order by place), array_agg(coalesce(sitemap, false) order by place),
    array_agg(coalesce(listing_page, 1) order by place)
  into keys, urls, hosts, source_nos, depths, redirects_of, are_sitemaps, listing_pages
  from rows from (json_to_recordset(links)
    as (key uuid, url text, host text, source text, depth smallint, redirects jsonb, sitemap boolean,
      "listingPage" smallint)) with ordinality
    as l(key, url, host, source, depth, redirects, sitemap, listing_page, place)
  join source s on s.run_id = this_run.run_id and s.name = l.source and s.active
  where (sitemap or this_run.max_depth is null or depth <= this_run.max_depth)
    and (
      select r.url_key from request r
      where r.run_day = this_run.run_day and r.run_id = this_run.run_id and r.url_key = l.key) is null;
  if keys is null then
    return '{}';
  end if;

  insert into host (scope, name)
  select this_run.host_scope, name from (select distinct unnest(hosts) as name) wanted
  where (select host_id from host h where h.scope = this_run.host_scope and h.name = wanted.name) is null
  order by name
  on conflict do nothing;

  insert into run_host (run_id, host_id, source_no)
  select this_run.run_id, h.host_id, l.source_no
  from (select distinct host, source_no from unnest(hosts, source_nos) as l(host, source_no)) l
  cross join lateral (select host_id from host where scope = this_run.host_scope and name = l.host offset 0) h
  where (
    select run_host_id from run_host known
    where known.run_id = this_run.run_id and known.host_id = h.host_id and known.source_no = l.source_no) is null
  order by h.host_id, l.source_no
  on conflict do nothing;

  with lane as materialized (
    select l.host, l.source_no, r.run_host_id
    from (select distinct host, source_no from unnest(hosts, source_nos) as l(host, source_no)) l
    cross join lateral (select host_id from host where scope = this_run.host_scope and name = l.host offset 0) h
    cross join lateral (
      select run_host_id from run_host r
      where r.run_id = this_run.run_id and r.host_id = h.host_id and r.source_no = l.source_no offset 0) r
  ), added as (
    insert into request (run_id, url_key, run_day, run_host_id, available_at, source_no, depth, priority, url,
      redirects, is_sitemap, listing_page)
    select this_run.run_id, key, this_run.run_day, lane.run_host_id, moment + place * interval '1 us',
      l.source_no, depth, depth, url, l.redirects, l.is_sitemap, l.listing_page
    from unnest(keys, urls, hosts, source_nos, depths, redirects_of, are_sitemaps, listing_pages) with ordinality
      as l(key, url, host, source_no, depth, redirects, is_sitemap, listing_page, place)
    join lane on lane.host = l.host and lane.source_no = l.source_no
    order by key
    on conflict do nothing
    returning run_host_id, source_no, is_sitemap
  ), counted as (
    insert into progress as p (run_id, worker_id, source_no, discovered, sitemaps)
    select this_run.run_id, me, source_no, count(*), count(*) filter (where is_sitemap)
    from added group by source_no order by source_no
    on conflict (run_id, worker_id, source_no)
    do update set discovered = p.discovered + excluded.discovered, sitemaps = p.sitemaps + excluded.sitemaps
  )
  select array_agg((run_host_id, n, 0, moment)::arrival) into arrivals
  from (select run_host_id, count(*)::int as n from added group by 1) lanes;
  return arrivals;
end $$`;

/** Tells run_host rows what was queued at them. Locks them in order of id: to be called once in a transaction. */
const queueAtHosts = `
create or replace function queue_at_hosts(arrivals arrival[]) returns void
language plpgsql set search_path from current
${QUEUE_PLANS} as $$
declare
  lanes bigint[] := array(select distinct a.run_host_id from unnest(arrivals) a);
begin
  perform from run_host l where l.run_host_id = any (lanes) order by l.run_host_id for no key update;
  update run_host l
  set queued = l.queued + added.queued, retries = l.retries + added.retries,
    next_at = least(l.next_at, greatest(added.available_at, (select next_at from host h where h.host_id = l.host_id)))
  from (
    select run_host_id, sum(queued) as queued, sum(retries) as retries, min(available_at) as available_at
    from unnest(arrivals) group by run_host_id
  ) added
  where l.run_host_id = any (lanes) and l.run_host_id = added.run_host_id;
end $$`;

/**
 * The rows of a commit. rows 1 is for the planner: as long as it takes them for few, it looks each of them up.
 */
const readOutcomes = `
create or replace function read_outcomes(outcomes json) returns table (
  key uuid, token uuid, type text, reason text, cause text, message text, delay_ms double precision, facts jsonb,
  items jsonb, left_out jsonb)
language plpgsql stable rows 1 set search_path from current as $$
begin
  return query select * from json_to_recordset(outcomes) as o(
    key uuid, token uuid, type text, reason text, cause text, message text, "delayMs" double precision, facts jsonb,
    items jsonb, "leftOut" jsonb);
end $$`;

/**
 * Ends claimed requests: outcomes is JSON
 * [{key, token, type, reason?, cause?, message?, delayMs?, facts?, items?, leftOut?, page?}],
 * links as for discover, with `from`: the keys of the requests that they were found at. What is not leased with its
 * token any more is left alone, and so is what was found at it alone. Returns the keys that were still ours.
 *
 * Locks in order: request by key, progress, page by key, then as discover, then run_host by id.
 */
const commitOutcomes = `
create or replace function commit_outcomes(token text, me uuid, outcomes json, links json) returns uuid[]
language plpgsql security definer set search_path from current
${QUEUE_PLANS} as $$
declare
  this_run run := run_of_token(token);
  moment timestamptz := clock_timestamp();
  ours uuid[];
  arrivals arrival[];
begin
  with held as materialized (
    select this_run.run_id as run_id, r.url_key, r.source_no, r.url, o.reason, o.cause, o.facts, o.items, o.left_out,
      left(o.message, 1000) as message, o.delay_ms,
      case
        when o.type = 'done' then 'done'
        when o.type = 'skipped' then 'skipped'
        when o.type = 'released' then 'queued'
        when o.type = 'retry' and (case when o.cause = 'Blocked' then r.blocks < ${MAX_BLOCKED_RETRIES}
          else r.attempts < this_run.max_retries end) then 'queued'
        else 'dead'
      end::request_state as state
    from (select * from read_outcomes(outcomes) order by key offset 0) o
    cross join lateral (
      select url_key, source_no, url, attempts, blocks from request r
      where r.run_day = this_run.run_day and r.run_id = this_run.run_id and r.url_key = o.key
        and r.lease_token = o.token
      for no key update
    ) r
  ), settled as (
    update request r
    set state = h.state, lease_token = null, leased_by = null,
      facts = coalesce(h.facts, r.facts),
      reason = coalesce(h.reason, h.cause),
      attempts = r.attempts + (h.cause <> 'Blocked' and h.cause is not null)::int,
      blocks = r.blocks + (h.cause = 'Blocked' and h.cause is not null)::int,
      has_place = h.state = 'queued' or (h.state <> 'skipped' and not r.is_sitemap),
      priority = 0,
      available_at = case when h.state = 'queued' then moment + coalesce(h.delay_ms, 0) * interval '1 ms'
        else r.available_at end,
      finished_at = case when h.state <> 'queued' then moment end,
      errors = case when h.cause is null then r.errors
        else coalesce(r.errors, '[]') || jsonb_build_object('cause', h.cause, 'message', h.message, 'at', moment) end
    from held h
    where r.run_day = this_run.run_day and r.run_id = h.run_id and r.url_key = h.url_key
    returning r.url_key, r.run_host_id, r.source_no, r.state, r.available_at, r.is_sitemap, h.reason, h.cause,
      h.message, h.url, h.left_out
  ), stored as (
    insert into item (run_id, run_day, url_key, source_no, data)
    select this_run.run_id, this_run.run_day, h.url_key, h.source_no, i.data
    from held h cross join lateral jsonb_array_elements(h.items) as i(data)
    where h.state = 'done'
    returning source_no
  ), counted as (
    insert into progress as p (run_id, worker_id, source_no, leased, places, succeeded, failed, skipped, items,
      failed_sitemaps, last_success_at, last_error, last_error_at, skipped_by, failed_by)
    select this_run.run_id, me, source_no, -count(*),
      -count(*) filter (where state = 'skipped' or (state = 'dead' and is_sitemap)),
      count(*) filter (where state = 'done'),
      count(*) filter (where state = 'dead'),
      count(*) filter (where state = 'skipped'),
      (select count(*) from stored where stored.source_no = settled.source_no),
      count(*) filter (where state = 'dead' and is_sitemap),
      max(moment) filter (where state = 'done'),
      max(cause || ': ' || message || ' (' || url || ')') filter (where state = 'dead'),
      max(moment) filter (where state = 'dead'),
      case when bool_or(state = 'skipped' or left_out is not null) then (
        select coalesce(jsonb_object_agg(reason, n), '{}') from (
          select reason, sum(times) as n from (
            select s.source_no, s.reason, 1 as times from settled s where s.state = 'skipped'
            union all
            select s.source_no, l.key, l.value::bigint from settled s cross join lateral jsonb_each_text(s.left_out) l
          ) skips where skips.source_no = settled.source_no group by reason) c) else '{}' end,
      case when bool_or(state = 'dead') then (
        select jsonb_object_agg(cause, n) from (
          select cause, count(*) as n from settled s
          where s.source_no = settled.source_no and s.state = 'dead' group by cause) c) else '{}' end
    from settled group by source_no order by source_no
    on conflict (run_id, worker_id, source_no) do update set
      leased = p.leased + excluded.leased,
      places = p.places + excluded.places,
      succeeded = p.succeeded + excluded.succeeded,
      failed = p.failed + excluded.failed,
      skipped = p.skipped + excluded.skipped,
      items = p.items + excluded.items,
      failed_sitemaps = p.failed_sitemaps + excluded.failed_sitemaps,
      last_success_at = coalesce(excluded.last_success_at, p.last_success_at),
      last_error = coalesce(excluded.last_error, p.last_error),
      last_error_at = coalesce(excluded.last_error_at, p.last_error_at),
      skipped_by = add_counts(p.skipped_by, excluded.skipped_by),
      failed_by = add_counts(p.failed_by, excluded.failed_by)
  )
  select coalesce(array_agg(url_key), '{}'),
    array_agg((run_host_id, 1, 1, available_at)::arrival) filter (where state = 'queued')
  into ours, arrivals from settled;

  if this_run.schedule_uid is not null then
    perform remember_pages(this_run, me, outcomes, ours);
  end if;
  if cardinality(ours) < json_array_length(outcomes) then
    select json_agg(link) into links from json_array_elements(links) link
    where exists (select from json_array_elements_text(link->'from') as f(key) where f.key::uuid = any (ours));
  end if;
  if links is not null then
    arrivals := arrivals || discover(this_run, me, links);
  end if;
  if arrivals <> '{}' then
    perform queue_at_hosts(arrivals);
  end if;
  return ours;
end $$`;

/**
 * Puts links into the frontier while the request that they are found at is still being read; they are as for discover.
 * 'Lost' when the request is not leased with the token any more, and 'Full' when the run has more waiting than its page
 * limit can make use of, or has been led to too many sitemaps: in both cases nothing was put in.
 *
 * Locks in order: as commit_outcomes.
 */
const addLinks = `
create or replace function add_links(token text, me uuid, key uuid, lease uuid, links json) returns text
language plpgsql security definer set search_path from current
${QUEUE_PLANS} as $$
declare
  most_sitemaps constant int := 10000;
  this_run run := live_run_of_token(token);
  most_open constant bigint := 10000 + 4 * this_run.max_pages::bigint;
  arrivals arrival[];
begin
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
  arrivals := discover(this_run, me, links);
  if arrivals <> '{}' then
    perform queue_at_hosts(arrivals);
  end if;
  return 'Added';
end $$`;

/** Puts some of the seeds in, of more than go into one call; false when the run has them all. */
const addSeeds = `
create or replace function add_seeds(token text, me uuid, links json) returns boolean
language plpgsql security definer set search_path from current as $$
declare
  this_run run := live_run_of_token(token);
begin
  select * into this_run from run where run_id = this_run.run_id for no key update;
  if this_run.seeded_at is not null or this_run.finished_at is not null then
    return false;
  end if;
  perform queue_at_hosts(discover(this_run, me, links));
  return true;
end $$`;

/** Puts the last of the seeds in, once for the run; false when another worker did. The run's row is locked first. */
const seedFrontier = `
create or replace function seed_frontier(token text, me uuid, links json) returns boolean
language plpgsql security definer set search_path from current as $$
declare
  this_run run := live_run_of_token(token);
begin
  select * into this_run from run where run_id = this_run.run_id for no key update;
  if this_run.seeded_at is not null or this_run.finished_at is not null then
    return false;
  end if;
  perform queue_at_hosts(discover(this_run, me, links));
  update run set seeded_at = clock_timestamp() where run_id = this_run.run_id;
  return true;
end $$`;

export const commitFunctions = [
  addCounts,
  queueAtHosts,
  discover,
  readOutcomes,
  commitOutcomes,
  addLinks,
  addSeeds,
  seedFrontier,
];
