-- Leases what was picked to the worker, counts it, and returns the claims as JSON for the answer; null for none.
-- spacingMs is there where the host's turns are closer than the run's own: it is shared, and asked at the pace of another.
-- It is always there when the run's pace was changed: workers know the one that they began with.
-- The update says state = 'queued' once more: nothing is leased twice, whatever was picked.
create or replace function lease_requests(this_run run, this_worker uuid, lanes due_lane[], picks pick[]) returns json
language plpgsql set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off
set enable_mergejoin = off set plan_cache_mode = force_generic_plan set jit = off as $$
declare
  claims json;
begin
  with leased as (
    update request r
    set state = 'leased', lease_token = gen_random_uuid(), leased_by = this_worker, has_place = true
    from (select * from unnest(picks) limit cardinality(picks)) p
    where (r.run_day = this_run.run_day or r.run_day is null) and r.run_id = p.run_id and r.url_key = p.url_key
      and r.state::text = 'queued'
    returning r.url_key, r.lease_token, r.url, r.depth, r.redirects, r.is_sitemap, r.listing_page, r.attempts, r.blocks,
      r.was_read, r.source_no, p.lane_no, p.turn, p.last_turn, p.delay, p.has_place as had_place
  ), counted as (
    insert into progress as p (run_id, worker_id, source_no, leased, places)
    select this_run.run_id, this_worker, source_no, count(*), count(*) filter (where not had_place)
    from leased group by source_no order by source_no
    on conflict (run_id, worker_id, source_no)
    do update set leased = p.leased + excluded.leased, places = p.places + excluded.places
  )
  -- Most claims say nothing unusual. An object of all that one may say, rid of its nulls, takes three times as long to build.
  select json_agg(case when is_unusual then (usual::jsonb || jsonb_strip_nulls(jsonb_build_object(
      'redirects', leased.redirects, 'known', known, 'kind', case when leased.is_sitemap then 'Sitemap' end,
      'blocks', nullif(leased.blocks, 0), 'listingPage', nullif(leased.listing_page, 1),
      'isReread', nullif(leased.was_read, false), 'isTroubled', nullif((lane).is_troubled, false),
      'isFailing', nullif((lane).is_failing, false), 'isProbe', nullif((lane).is_probe, false),
      'viaProxy', nullif((lane).via_proxy, false), 'spacingMs', spacing_ms)))::json
    else usual end order by leased.turn)
  into claims
  from leased
  join source s on s.run_id = this_run.run_id and s.source_no = leased.source_no
  cross join lateral (
    select lanes[leased.lane_no] as lane, extract(epoch from leased.turn) * 1000 as turn_ms,
      extract(epoch from last_send(leased.last_turn, leased.delay)) * 1000 as send_by_ms,
      case when this_run.is_pace_changed or leased.delay < this_run.delay_ms * interval '1 ms'
        then extract(epoch from leased.delay) * 1000 end as spacing_ms,
      (select jsonb_build_object('plan', p.plan, 'etag', p.etag, 'lastModified', p.last_modified)
        from page p
        where p.schedule_uid = this_run.schedule_uid and p.url_key = leased.url_key and p.items is not null) as known
    offset 0
  ) more
  cross join lateral (
    select leased.redirects is not null or known is not null or spacing_ms is not null or leased.is_sitemap
        or leased.blocks > 0 or leased.listing_page > 1 or leased.was_read or (lane).is_troubled or (lane).is_failing
        or (lane).is_probe or (lane).via_proxy is true as is_unusual,
      case when send_by_ms is null then json_build_object(
        'requestId', leased.url_key, 'leaseToken', leased.lease_token, 'source', s.name, 'url', leased.url,
        'host', (lane).host_name, 'depth', leased.depth, 'attempt', leased.attempts + 1, 'turn', turn_ms)
      else json_build_object(
        'requestId', leased.url_key, 'leaseToken', leased.lease_token, 'source', s.name, 'url', leased.url,
        'host', (lane).host_name, 'depth', leased.depth, 'attempt', leased.attempts + 1, 'turn', turn_ms,
        'sendBy', send_by_ms)
      end as usual
    offset 0
  ) claim;
  return claims;
end $$;
