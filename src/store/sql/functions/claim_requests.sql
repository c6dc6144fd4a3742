-- Leases at most slots requests to the worker and answers with JSON: {state, claims, moment, now | retryInMs | reason}.
-- A claim may be sent from its turn on and, where the host has a delay worth the name, until its sendBy: then the next
-- in line may come. All are milliseconds of the database's clock; turns were placed at moment, the answer ends at now.
-- lateness_ms is how late the worker's answers come at worst, see head_start. A worker that lost the answer to a claim
-- raises claim_epoch, see begin_claim_epoch; held is only looked at then.
--
-- Locks, always in this order: worker, claim lock of the run, run_host and host (skipping locked ones), request,
-- progress. Nothing after the claim lock is ever waited for but progress, which only this worker writes.
create or replace function claim_requests(
  token text, this_worker uuid, slots int, lateness_ms double precision, claim_epoch int, held uuid[]) returns json
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off
set enable_mergejoin = off set plan_cache_mode = force_generic_plan set jit = off as $$
declare
  -- A host is offered when it is due within this time; the worker waits the rest.
  horizon constant interval := '500 ms';
  -- So much of it at most is left to a worker whose answers come late: with more it would never be offered anything.
  longest_head_start constant interval := '400 ms';
  -- Requests of one host that become due within this time are taken together.
  batch_ms constant int := 100;
  this_run run := run_of_token(token);
  mine worker;
  per_host int;
  run_left bigint;
  source_left bigint[];
  full_sources smallint[];
  lanes bigint[];
  time_now timestamptz;
  claims json;
begin
  if this_run.finished_at is not null then
    return json_build_object('state', 'Finished');
  end if;
  slots := least(greatest(slots, 1), 500);
  mine := enlist_worker(this_run, this_worker, slots);
  if mine.released_at is not null then
    return json_build_object('state', 'Stopping', 'reason', 'Released');
  end if;
  if mine.claim_epoch <> claim_epoch then
    if mine.claim_epoch < claim_epoch then
      perform begin_claim_epoch(this_run, this_worker, claim_epoch, held);
    end if;
    return json_build_object('state', 'Wait', 'retryInMs', 0);
  end if;

  if this_run.exact_limits then
    perform pg_advisory_xact_lock(claim_lock(this_run.run_id));
  else
    perform pg_advisory_xact_lock_shared(claim_lock(this_run.run_id));
  end if;
  -- The run as it is under the lock.
  select * into this_run from run where run_id = this_run.run_id;
  if this_run.finished_at is not null then
    return json_build_object('state', 'Finished');
  end if;
  if this_run.stop_reason is not null then
    return json_build_object('state', 'Stopping', 'reason', this_run.stop_reason);
  end if;

  select greatest(this_run.max_pages - sum(taken), 0),
    array_agg(coalesce(max_pages - taken, 2147483647) order by source_no),
    coalesce(array_agg(source_no) filter (where taken >= max_pages), '{}')
  into run_left, source_left, full_sources
  from (
    select s.source_no, s.max_pages, coalesce(sum(p.places), 0)::bigint as taken
    from source s left join progress p on p.run_id = s.run_id and p.source_no = s.source_no
    where s.run_id = this_run.run_id group by s.source_no, s.max_pages
  ) sources;
  if not this_run.exact_limits and
    least(run_left, (select min(l) from unnest(source_left) l))
      <= (select sum(w.slots) from worker w where w.run_id = this_run.run_id) then
    update run set exact_limits = true where run_id = this_run.run_id and not exact_limits;
    return json_build_object('state', 'Wait', 'retryInMs', 0);
  end if;

  time_now := clock_timestamp();
  per_host := least(slots, 1 + floor(batch_ms / greatest(this_run.delay_ms, 0.001)));
  select array_agg(run_host_id) into lanes from (
    select l.run_host_id from run_host l join host h using (host_id)
    where l.run_id = this_run.run_id and l.next_at <= time_now + horizon
      and (l.retries > 0 or (run_left > 0 and l.source_no <> all (full_sources)))
      and (h.outage_failures = 0 or not exists (
        select from unreachable_host u where u.run_id = l.run_id and u.host_id = l.host_id))
    order by l.next_at limit ceil(slots::numeric / per_host)
    for no key update of l, h skip locked
  ) locked;
  if lanes is null then
    return rest_of_run(this_run, this_worker, horizon);
  end if;

  -- A new statement, so a new snapshot: whoever held these hosts before has committed, and what it leased is seen.
  with lane as (
    select l.run_id, l.run_host_id, l.host_id, l.source_no, h.name as host, s.name as source,
      h.slowdown > 1 or h.failures > 0 as is_troubled, h.outage_failures > 0 as is_failing,
      outage_state(h.outage_failures) in ('Parked', 'Down') as is_probe, h.proxy_until > time_now as via_proxy,
      greatest(h.next_at, time_now + least(head_start(spacing, lateness_ms), longest_head_start)) as base,
      spacing * interval '1 ms' as delay,
      greatest(per_host, ceil(slots::numeric / count(*) over ()))::int as quota,
      case when l.source_no = any (full_sources) then 0 else run_left end as room
    from run_host l join host h using (host_id)
    cross join lateral host_spacing(this_run.delay_ms, greatest(h.crawl_delay_ms, h.outage_ms), h.slowdown) spacing
    join source s on s.run_id = l.run_id and s.source_no = l.source_no
    where l.run_host_id = any (lanes)
  ), candidate as (
    select run_id, lane.run_host_id, host_id, source_no, base, delay, best.url_key, best.has_place, best.priority,
      best.available_at, base + delay * (row_number() over (
        partition by host_id order by best.has_place desc, best.priority, best.available_at) - 1) as turn
    from lane cross join lateral (
      (select url_key, has_place, priority, available_at from request r
        where r.run_day = this_run.run_day and r.run_host_id = lane.run_host_id
          and r.state = 'queued' and r.has_place and r.priority = 0 and r.available_at <= time_now
        order by r.available_at limit lane.quota)
      union all
      (select url_key, has_place, priority, available_at from request r
        where r.run_day = this_run.run_day and r.run_host_id = lane.run_host_id
          and r.state = 'queued' and not r.has_place and r.available_at <= time_now
        order by r.priority, r.available_at limit least(lane.quota, lane.room))
    ) best
  ), ranked as (
    select *,
      count(*) filter (where not has_place) over (order by turn, run_host_id, priority, available_at, url_key) as run_rank,
      count(*) filter (where not has_place)
        over (partition by source_no order by turn, run_host_id, priority, available_at, url_key) as source_rank
    from candidate where turn <= time_now + horizon
  ), chosen as (
    select * from ranked
    where has_place or (run_rank <= run_left and source_rank <= source_left[source_no + 1])
    order by turn, run_host_id, priority, available_at, url_key limit slots
  ), leased as (
    update request r
    set state = 'leased', lease_token = gen_random_uuid(), leased_by = this_worker, has_place = true
    -- The second limit is for the planner: as long as it takes them for few, it looks each of them up.
    from (select * from chosen limit slots) c
    where r.run_day = this_run.run_day and r.run_id = c.run_id and r.url_key = c.url_key and r.state = 'queued'
    returning r.url_key, r.lease_token, r.url, r.depth, r.redirects, r.is_sitemap, r.listing_page, r.attempts, r.blocks,
      r.run_host_id, r.source_no, c.turn,
      c.has_place as had_place
  ), moved_host as (
    update host h set next_at = spent.next_at
    from (select host_id, max(turn + delay) as next_at from chosen group by host_id) spent
    where h.host_id = spent.host_id
    returning h.host_id, h.next_at
  ), taken as (
    select run_host_id, count(*) as claimed, count(*) filter (where has_place) as retried from chosen group by 1
  ), moved_lane as (
    update run_host l
    set queued = l.queued - coalesce(claimed, 0), retries = l.retries - coalesce(retried, 0),
      next_at = case when l.queued > coalesce(claimed, 0) then greatest(
        coalesce((select next_at from moved_host m where m.host_id = lane.host_id), base),
        least(
          (select r.available_at from request r
            where r.run_day = this_run.run_day and r.run_host_id = lane.run_host_id and r.state = 'queued'
              and r.has_place and r.priority = 0
            order by r.available_at offset coalesce(retried, 0) limit 1),
          (select r.available_at from request r
            where r.run_day = this_run.run_day and r.run_host_id = lane.run_host_id and r.state = 'queued'
              and not r.has_place
            order by r.priority, r.available_at offset coalesce(claimed - retried, 0) limit 1))) end
    from lane left join taken using (run_host_id)
    where l.run_host_id = any (lanes) and l.run_host_id = lane.run_host_id
  ), counted as (
    insert into progress as p (run_id, worker_id, source_no, leased, places)
    select this_run.run_id, this_worker, source_no, count(*), count(*) filter (where not had_place)
    from leased group by source_no order by source_no
    on conflict (run_id, worker_id, source_no)
    do update set leased = p.leased + excluded.leased, places = p.places + excluded.places
  )
  select json_agg(json_strip_nulls(json_build_object(
    'requestId', leased.url_key, 'leaseToken', leased.lease_token, 'source', lane.source, 'url', leased.url,
    'host', lane.host, 'depth', leased.depth, 'redirects', leased.redirects, 'attempt', leased.attempts + 1,
    'known', (
      select json_build_object('plan', p.plan, 'etag', p.etag, 'lastModified', p.last_modified)
      from page p
      where p.schedule_uid = this_run.schedule_uid and p.url_key = leased.url_key and p.items is not null),
    'kind', case when leased.is_sitemap then 'Sitemap' end, 'blocks', nullif(leased.blocks, 0),
    'listingPage', nullif(leased.listing_page, 1),
    'isTroubled', nullif(lane.is_troubled, false), 'isFailing', nullif(lane.is_failing, false),
    'isProbe', nullif(lane.is_probe, false), 'viaProxy', nullif(lane.via_proxy, false),
    'turn', extract(epoch from turn) * 1000,
    'sendBy', extract(epoch from last_send(m.next_at - lane.delay, lane.delay)) * 1000)) order by turn)
  into claims
  from leased join lane using (run_host_id) join moved_host m using (host_id);

  if claims is null then
    -- These hosts turned out to be not due; they are marked so, and others may be.
    return json_build_object('state', 'Wait', 'retryInMs', retry_in_ms(this_run.run_id, horizon));
  end if;
  return json_build_object('state', 'Claimed', 'claims', claims, 'moment', extract(epoch from time_now) * 1000,
    'now', extract(epoch from clock_timestamp()) * 1000);
end $$;
