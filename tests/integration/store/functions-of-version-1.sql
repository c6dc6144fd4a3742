-- The functions of version 1, all in one, for the test that walks from there to today. They stay as they are.
-- Adds two objects of counters, key by key.
create or replace function add_counts(a jsonb, b jsonb) returns jsonb
language sql immutable set search_path from current as $$
  select case when b = '{}' then a else (
    select jsonb_object_agg(key, total) from (
      select key, sum(value::bigint) as total
      from (select * from jsonb_each_text(a) union all select * from jsonb_each_text(b)) counts group by key
    ) totals
  ) end
$$;
-- Puts links into the frontier while the request that they are found at is still being read; they are as for discover.
-- 'Lost' when the request is not leased with the token any more, and 'Full' when the run has more waiting than its page
-- limit can make use of, or has been led to too many sitemaps: in both cases nothing was put in.
--
-- Locks in order: as commit_outcomes.
create or replace function add_links(token text, this_worker uuid, key uuid, lease uuid, links json) returns text
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off
set enable_mergejoin = off set plan_cache_mode = force_generic_plan set jit = off as $$
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
  arrivals := discover(this_run, this_worker, links);
  if arrivals <> '{}' then
    perform queue_at_hosts(arrivals);
  end if;
  return 'Added';
end $$;
-- Puts some of the seeds in, of more than go into one call; false when the run has them all.
create or replace function add_seeds(token text, this_worker uuid, links json) returns boolean
language plpgsql security definer set search_path from current as $$
declare
  this_run run := live_run_of_token(token);
begin
  select * into this_run from run where run_id = this_run.run_id for no key update;
  if this_run.seeded_at is not null or this_run.finished_at is not null then
    return false;
  end if;
  perform queue_at_hosts(discover(this_run, this_worker, links));
  return true;
end $$;
-- Whether going on is of no use: no page of an active source has succeeded, and the hosts of each have refused so many
-- tries, or it has lost all of its pages to that.
create or replace function all_sources_blocked(token text, enough_refusals int) returns boolean
language plpgsql security definer set search_path from current as $$
declare
  this_run run := run_of_token(token);
begin
  return (
    select bool_and(coalesce(
      counts.succeeded = 0 and (refusals >= enough_refusals or (counts.blocked > 0 and counts.open = 0)), false))
    from source s
    cross join lateral (
      select sum(p.succeeded) as succeeded, sum((failed_by->>'Blocked')::bigint) as blocked,
        sum(discovered - p.succeeded - failed - skipped) as open
      from progress p where p.run_id = s.run_id and p.source_no = s.source_no
    ) counts
    cross join lateral (
      select coalesce(sum(blocks), 0) as refusals
      from run_host l join blocked_host b on b.run_id = l.run_id and b.host_id = l.host_id
      where l.run_id = s.run_id and l.source_no = s.source_no
    ) hosts
    where s.run_id = this_run.run_id and s.active
  );
end $$;
-- The answer to a claim can be lost when what it leased is committed, and the heartbeat keeps those leases alive though
-- the worker does not know of them. So it begins a new epoch with the next claim: whatever it does not hold is queued again,
-- and claims of earlier epochs, which may still be on their way to the server, lease nothing any more.
create or replace function begin_claim_epoch(this_run run, this_worker uuid, new_epoch int, held uuid[]) returns void
language plpgsql set search_path from current as $$
begin
  update worker w set claim_epoch = new_epoch where w.run_id = this_run.run_id and w.worker_id = this_worker;
  if this_run.finished_at is null then
    perform return_leases(this_run, array[this_worker], this_worker, held);
  end if;
end $$;
-- Claims of a run hold this lock shared while its page limit is far, and alone when it is near or when the run is being
-- ended: whoever holds it alone sees every claim that was ever made.
create or replace function claim_lock(run_id uuid) returns bigint
language sql immutable set search_path from current as $$
  select hashtextextended('trawler claims ' || run_id, 0)
$$;
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
    order by l.next_at limit ceil(slots::numeric / per_host)
    for no key update of l, h skip locked
  ) locked;
  if lanes is null then
    return rest_of_run(this_run, this_worker, horizon);
  end if;

  -- A new statement, so a new snapshot: whoever held these hosts before has committed, and what it leased is seen.
  with lane as (
    select l.run_id, l.run_host_id, l.host_id, l.source_no, h.name as host, s.name as source,
      h.slowdown > 1 or h.failures > 0 as is_troubled, h.proxy_until > time_now as via_proxy,
      greatest(h.next_at, time_now + least(head_start(spacing, lateness_ms), longest_head_start)) as base,
      spacing * interval '1 ms' as delay,
      greatest(per_host, ceil(slots::numeric / count(*) over ()))::int as quota,
      case when l.source_no = any (full_sources) then 0 else run_left end as room
    from run_host l join host h using (host_id)
    cross join lateral host_spacing(this_run.delay_ms, h.crawl_delay_ms, h.slowdown) spacing
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
    'isTroubled', nullif(lane.is_troubled, false), 'viaProxy', nullif(lane.via_proxy, false),
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
-- Ends the crawl of a run whose pods are gone, if it has a file to be written: the run ends, as it is said here, when that
-- is done. False when it has none or has ended. For the operator.
--
-- Locks in order: claim lock, run, output, request by key, run_host by id.
create or replace function close_crawl(of_run uuid, given_outcome text, given_message text, this_worker uuid) returns boolean
language plpgsql set search_path from current as $$
declare
  this_run run;
begin
  perform pg_advisory_xact_lock(claim_lock(of_run));
  select * into this_run from run where run_id = of_run and finished_at is null for no key update;
  if not found then
    return false;
  end if;
  update output o set due_at = coalesce(due_at, clock_timestamp()),
    outcome = case when due_at is null then given_outcome else o.outcome end,
    message = case when due_at is null then given_message else o.message end
  where o.run_id = of_run;
  if not found then
    return false;
  end if;
  perform return_leases(this_run, array(select worker_id from worker where run_id = of_run), this_worker);
  return true;
end $$;
-- Ends claimed requests: outcomes is JSON
-- [{key, token, type, reason?, cause?, message?, delayMs?, facts?, items?, leftOut?, page?}],
-- links as for discover, with from: the keys of the requests that they were found at. What is not leased with its
-- token any more is left alone, and so is what was found at it alone. Returns the keys that were still ours.
--
-- Locks in order: request by key, progress, page by key, then as discover, then run_host by id.
create or replace function commit_outcomes(token text, this_worker uuid, outcomes json, links json) returns uuid[]
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off
set enable_mergejoin = off set plan_cache_mode = force_generic_plan set jit = off as $$
declare
  -- As the workers count them: MAX_BLOCKED_RETRIES.
  most_blocked_retries constant int := 3;
  this_run run := run_of_token(token);
  time_now timestamptz := clock_timestamp();
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
        when o.type = 'retry' and (case when o.cause = 'Blocked' then r.blocks < most_blocked_retries
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
      available_at = case when h.state = 'queued' then time_now + coalesce(h.delay_ms, 0) * interval '1 ms'
        else r.available_at end,
      finished_at = case when h.state <> 'queued' then time_now end,
      errors = case when h.cause is null then r.errors
        else coalesce(r.errors, '[]') || jsonb_build_object('cause', h.cause, 'message', h.message, 'at', time_now) end
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
    select this_run.run_id, this_worker, source_no, -count(*),
      -count(*) filter (where state = 'skipped' or (state = 'dead' and is_sitemap)),
      count(*) filter (where state = 'done'),
      count(*) filter (where state = 'dead'),
      count(*) filter (where state = 'skipped'),
      (select count(*) from stored where stored.source_no = settled.source_no),
      count(*) filter (where state = 'dead' and is_sitemap),
      max(time_now) filter (where state = 'done'),
      max(cause || ': ' || message || ' (' || url || ')') filter (where state = 'dead'),
      max(time_now) filter (where state = 'dead'),
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
    perform remember_pages(this_run, this_worker, outcomes, ours);
  end if;
  if cardinality(ours) < json_array_length(outcomes) then
    select json_agg(link) into links from json_array_elements(links) link
    where exists (select from json_array_elements_text(link->'from') as f(key) where f.key::uuid = any (ours));
  end if;
  if links is not null then
    arrivals := arrivals || discover(this_run, this_worker, links);
  end if;
  if arrivals <> '{}' then
    perform queue_at_hosts(arrivals);
  end if;
  return ours;
end $$;
-- The token's run for row-level security; null without a valid token, so that no row is seen.
create or replace function current_run() returns uuid
language sql stable security definer set search_path from current as $$
  select run_id from run_token
  where token_hash = sha256(convert_to(current_setting('trawler.token', true), 'UTF8')) and revoked_at is null
$$;
-- Pushes the host's next time at least this far away, a day at most.
create or replace function defer_host(token text, host_name text, delay_ms double precision) returns void
language plpgsql security definer set search_path from current as $$
declare
  this_run run := live_run_of_token(token);
  id bigint := host_of_run(this_run, host_name);
begin
  update host set next_at = greatest(next_at, clock_timestamp() + least(delay_ms, 86400000) * interval '1 ms')
  where host_id = id;
end $$;
-- Puts the links that the frontier does not know yet into it; links is JSON: [{key, url, host, source, depth, redirects,
-- sitemap, listingPage}]. Deeper links than the run follows, and those of inactive sources, are left out. The
-- caller hands what it returns to queue_at_hosts, together with whatever else it queues: those rows have to be locked in one go.
--
-- Locks in order: host by name, run_host by (host, source), request by key, progress.
create or replace function discover(this_run run, this_worker uuid, links json) returns arrival[]
language plpgsql set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off
set enable_mergejoin = off set plan_cache_mode = force_generic_plan set jit = off set enable_hashjoin = on as $$
declare
  time_now timestamptz := clock_timestamp();
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
    select this_run.run_id, key, this_run.run_day, lane.run_host_id, time_now + place * interval '1 us',
      l.source_no, depth, depth, url, l.redirects, l.is_sitemap, l.listing_page
    from unnest(keys, urls, hosts, source_nos, depths, redirects_of, are_sitemaps, listing_pages) with ordinality
      as l(key, url, host, source_no, depth, redirects, is_sitemap, listing_page, place)
    join lane on lane.host = l.host and lane.source_no = l.source_no
    order by key
    on conflict do nothing
    returning run_host_id, source_no, is_sitemap
  ), counted as (
    insert into progress as p (run_id, worker_id, source_no, discovered, sitemaps)
    select this_run.run_id, this_worker, source_no, count(*), count(*) filter (where is_sitemap)
    from added group by source_no order by source_no
    on conflict (run_id, worker_id, source_no)
    do update set discovered = p.discovered + excluded.discovered, sitemaps = p.sitemaps + excluded.sitemaps
  )
  select array_agg((run_host_id, n, 0, time_now)::arrival) into arrivals
  from (select run_host_id, count(*)::int as n from added group by 1) lanes;
  return arrivals;
end $$;
-- Drops a day's partitions; false when a run of it lives. All readers and writers of other days wait while it waits for its
-- lock, so that it gives up soon and is called again.
create or replace function drop_day(day date) returns boolean
language plpgsql set search_path from current set lock_timeout = '3s' as $$
begin
  if exists (select from run where run_day = day and finished_at is null) then
    return false;
  end if;
  delete from run_host where run_id in (select run_id from run where run_day = day);
  execute format('drop table %I, %I', 'request_' || to_char(day, 'YYYYMMDD'), 'item_' || to_char(day, 'YYYYMMDD'));
  return true;
end $$;
-- Writes the end of a run, whose row and claim lock the caller holds. Outcome and results are computed from the
-- counters, unless the outcome is given.
create or replace function end_run(this_run run, given_outcome text, given_message text) returns void
language plpgsql set search_path from current as $$
begin
  with counts as (
    select s.source_no, s.active,
      coalesce(sum(p.discovered - p.succeeded - p.failed - p.skipped), 0) as open,
      coalesce(sum(p.succeeded), 0) as succeeded, coalesce(sum(p.failed), 0) as failed,
      coalesce(sum(p.skipped), 0) as skipped, coalesce(sum(p.items), 0) as items,
      (array_agg(p.last_error order by p.last_error_at desc nulls last))[1] as last_error
    from source s left join progress p on p.run_id = s.run_id and p.source_no = s.source_no
    where s.run_id = this_run.run_id group by s.source_no, s.active
  ), results as (
    update source s set message = c.last_error, result = case
      when not c.active then 'Inactive'
      when c.open > 0 or this_run.seeded_at is null then 'Stopped'
      when c.failed = 0 then 'Succeeded'
      when c.succeeded = 0 then 'Failed'
      else 'Partial' end
    from counts c where s.run_id = this_run.run_id and s.source_no = c.source_no
  )
  update run set finished_at = clock_timestamp(),
    outcome = coalesce(given_outcome, case when t.failed = 0 then 'Succeeded' when t.succeeded = 0 then 'Failed'
      else 'Partial' end),
    message = coalesce(given_message || ': ', '') || format('%s pages succeeded, %s failed, %s skipped, %s left; %s items',
      t.succeeded, t.failed, t.skipped, t.open, t.items)
  from (select sum(succeeded) as succeeded, sum(failed) as failed, sum(skipped) as skipped, sum(open) as open,
    sum(items) as items from counts) t
  where run.run_id = this_run.run_id;
end $$;
-- Makes sure that the worker has a row, that its leases live on and that the run knows how much it may claim at once,
-- unless it was released. The row stays locked: claims of one worker, and its release, go one after another.
create or replace function enlist_worker(this_run run, this_worker uuid, wanted_slots int) returns worker
language plpgsql set search_path from current as $$
declare
  lease constant interval := this_run.lease_seconds * interval '1 s';
  mine worker;
begin
  select * into mine from worker w
  where w.run_id = this_run.run_id and w.worker_id = this_worker for no key update;
  if not found then
    insert into worker (run_id, worker_id, slots, lease_until)
    values (this_run.run_id, this_worker, wanted_slots, clock_timestamp() + lease)
    on conflict (run_id, worker_id) do update set slots = greatest(worker.slots, excluded.slots)
    returning * into mine;
  end if;
  if mine.released_at is null and (
    mine.slots < wanted_slots or mine.lease_until is null or mine.lease_until < clock_timestamp() + lease / 2) then
    update worker w set slots = greatest(slots, wanted_slots), lease_until = clock_timestamp() + lease
    where w.run_id = this_run.run_id and w.worker_id = this_worker;
  end if;
  return mine;
end $$;
-- Makes the partitions of a day. They are attached rather than created as partitions: that lets readers and writers of
-- other days go on. The settings suit a queue: room for new row versions in the page, and vacuum early and unthrottled.
create or replace function ensure_day(day date) returns void
language plpgsql set search_path from current as $$
declare
  parent text;
  part text;
  settings text;
begin
  foreach parent in array array['request', 'item'] loop
    part := parent || '_' || to_char(day, 'YYYYMMDD');
    continue when exists (select from pg_class where relname = part and relnamespace = current_schema()::regnamespace);
    perform pg_advisory_xact_lock(hashtextextended('trawler partition ' || current_schema() || '.' || part, 0));
    -- Looked up in the table: to_regclass would remember that it was not there.
    continue when exists (select from pg_class where relname = part and relnamespace = current_schema()::regnamespace);
    settings := case parent
      when 'request' then 'fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0'
      else 'autovacuum_vacuum_scale_factor = 0.1' end;
    execute format('create table %I (like %I including defaults including constraints) with (%s)',
      part, parent, settings);
    execute format('alter table %I enable row level security', part);
    execute format('alter table %I attach partition %I for values from (%L) to (%L)', parent, part, day, day + 1);
  end loop;
end $$;
-- Days before the given one, oldest first, that nobody asked to keep and that hold no live run.
create or replace function expired_days(first_kept date, kept date[]) returns setof date
language sql stable set search_path from current as $$
  select day from (
    select to_date(right(relid::regclass::text, 8), 'YYYYMMDD') as day
    from pg_partition_tree('request') where isleaf
  ) days
  where day < first_kept and day <> all (kept)
    and not exists (select from run where run_day = day and finished_at is null)
  order by day
$$;
-- True when the crawl is over: nothing is queued or leased any more. That is the end of the run too, unless it has a file
-- to be written. One snapshot decides, taken under the lock of the run's row: as long as anything can still be found, the
-- request it is found at is leased in it.
create or replace function finish_run(token text) returns boolean
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off
set enable_mergejoin = off set plan_cache_mode = force_generic_plan set jit = off as $$
declare
  this_run run := run_of_token(token);
begin
  if this_run.finished_at is not null then
    return true;
  end if;
  select * into this_run from run where run_id = this_run.run_id for no key update;
  if this_run.finished_at is not null or output_is_due(this_run.run_id) then
    return true;
  end if;
  if this_run.seeded_at is null
    or exists (select from run_host where run_id = this_run.run_id and next_at is not null)
    or (select sum(leased) from progress where run_id = this_run.run_id) > 0 then
    return false;
  end if;
  update output o set due_at = clock_timestamp() where o.run_id = this_run.run_id;
  if not found then
    perform end_run(this_run, null, null);
  end if;
  return true;
end $$;
-- Forgets the runs of days that were dropped, and what was learnt of pages and hosts and not looked at for as long. The
-- run of a schedule's newest slot stays for a year more: it remembers that the slot had its run.
create or replace function forget_before(first_kept date, kept date[]) returns void
language plpgsql set search_path from current as $$
begin
  delete from run r
  where run_day < first_kept and run_day <> all (kept) and finished_at is not null and (
    run_day < first_kept - 366 or schedule_uid is null or scheduled_time is null or exists (
      select from run newer where newer.schedule_uid = r.schedule_uid and newer.scheduled_time > r.scheduled_time));
  -- A schedule without runs may be a rare one, or it was deleted.
  delete from page p
  where p.seen_by < clock_timestamp() - interval '90 days'
    and not exists (select from run where run.schedule_uid = p.schedule_uid and run.run_day >= first_kept);
  delete from robots where fetched_at < first_kept;
  delete from host_rendering where checked_at < first_kept;
end $$;
-- Drops the pages of a run's schedule that neither it nor the two runs before it saw, 10,000 at most. For the operator.
create or replace function forget_pages(of_run uuid) returns int
language plpgsql set search_path from current as $$
declare
  forgotten int;
begin
  with third_last as (
    select r.schedule_uid, r.accepted_at from run r join run this_run using (schedule_uid)
    where this_run.run_id = of_run and r.accepted_at <= this_run.accepted_at
    order by r.accepted_at desc offset 2 limit 1
  ), unseen as (
    select p.schedule_uid, p.url_key from page p join third_last t using (schedule_uid)
    where p.seen_by < t.accepted_at limit 10000
  ), deleted as (
    delete from page p using unseen u where p.schedule_uid = u.schedule_uid and p.url_key = u.url_key
      and p.seen_by < (select accepted_at from third_last)
    returning 1
  )
  select count(*) into forgotten from deleted;
  return forgotten;
end $$;
-- What the database has. Its name and answer never change: every worker asks it first.
create or replace function function_versions() returns json
language sql stable security definer set search_path from current as $$
  select json_build_object('version', version, 'oldestWorker', oldest_worker) from function_set
$$;
-- How far ahead the next send to a host is placed at least. An answer takes a while to reach the worker, and not always
-- the same while. So the worker tells how late its answers are at worst, and a send is not placed earlier than it can be
-- made in time. Below 10 ms of delay nobody could tell the difference, and speed is what was asked for.
create or replace function head_start(delay_ms double precision, lateness_ms double precision) returns interval
language sql immutable set search_path from current as $$
  select least(greatest(lateness_ms - 0.1 * delay_ms, 0), case when delay_ms < 10 then delay_ms else 1000 end)
    * interval '1 ms'
$$;
-- Whether the fence is that of the last lease, and the file not settled.
create or replace function holds_output(of_run uuid, held uuid) returns boolean
language sql stable set search_path from current as $$
  select exists (select from output where run_id = of_run and fence = held and settled_at is null)
$$;
-- The host's row in the run's scope, made when it is not there.
create or replace function host_of_run(this_run run, host_name text) returns bigint
language plpgsql set search_path from current as $$
declare
  found_id bigint;
begin
  select host_id into found_id from host where scope = this_run.host_scope and name = host_name;
  if not found then
    insert into host (scope, name) values (this_run.host_scope, host_name) on conflict do nothing;
    select host_id into found_id from host where scope = this_run.host_scope and name = host_name;
  end if;
  return found_id;
end $$;
-- Milliseconds between two documents of a host. One that has refused a crawl is asked more slowly, however fast the run
-- may be: a quarter of a second is the least that is doubled, and a minute the most that doubling leads to.
create or replace function host_spacing(delay_ms double precision, crawl_delay_ms int, slowdown smallint)
returns double precision language sql immutable set search_path from current as $$
  select case when slowdown = 1 then greatest(delay_ms, crawl_delay_ms)
    else greatest(delay_ms, crawl_delay_ms, least(greatest(delay_ms, crawl_delay_ms, 250) * slowdown, 60000)) end
$$;
-- How late the send of a turn may be: by a tenth of the delay, which leaves another tenth to the way to the server before
-- two come closer than 0.8 of it. Later than that, a worker has to take another place. Null below 10 ms of delay.
--
-- Asked for each claim: written so that the planner puts its expression in the place of the call (language sql, stable,
-- no settings of its own).
create or replace function last_send(turn timestamptz, delay interval) returns timestamptz
language sql stable as $$
  select case when delay >= '10 ms' then turn + 0.1 * delay end
$$;
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
-- Gives the run's file to a worker, once the crawl is over: {state: Leased, fence}. Every lease has a new fence, and only
-- its bearer may read on and settle. Wait while another holds it who gives heartbeats. Locks in order: worker, output.
create or replace function lease_output(token text, this_worker uuid) returns json
language plpgsql security definer set search_path from current as $$
declare
  this_run run := run_of_token(token);
  file output;
begin
  if this_run.finished_at is not null then
    return json_build_object('state', 'Finished');
  end if;
  if (enlist_worker(this_run, this_worker, 0)).released_at is not null then
    return json_build_object('state', 'Stopping');
  end if;
  select * into file from output o where o.run_id = this_run.run_id for no key update;
  if file.settled_at is not null then
    return json_build_object('state', 'Finished');
  end if;
  if file.due_at is null then
    raise exception 'the crawl is not over: its output is not due';
  end if;
  if file.writer <> this_worker and exists (
    select from worker w where w.run_id = this_run.run_id and w.worker_id = file.writer
      and w.released_at is null and w.lease_until > clock_timestamp()) then
    return json_build_object('state', 'Wait', 'retryInMs', 1000);
  end if;
  update output o set writer = this_worker, fence = gen_random_uuid() where o.run_id = this_run.run_id
  returning * into file;
  return json_build_object('state', 'Leased', 'fence', file.fence);
end $$;
-- As run_of_token, for what a finished run refuses (TR002).
create or replace function live_run_of_token(token text) returns run
language plpgsql stable set search_path from current as $$
declare
  found_run run := run_of_token(token);
begin
  if found_run.finished_at is not null then
    raise exception 'the run is finished' using errcode = 'TR002';
  end if;
  return found_run;
end $$;
-- The names of all fields of the 10,000 items after the given one, and the last of these; null for a lost lease.
create or replace function output_fields(token text, held uuid, after bigint) returns json
language plpgsql stable security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off
set enable_mergejoin = off set plan_cache_mode = force_generic_plan set jit = off as $$
declare
  this_run run := run_of_token(token);
begin
  if not holds_output(this_run.run_id, held) then
    return null;
  end if;
  return (
    with page as materialized (
      select item_id, data from item i
      where i.run_day = this_run.run_day and i.run_id = this_run.run_id and i.item_id > after
      order by i.item_id limit 10000
    )
    select json_build_object('last', max(item_id)::text,
      'fields', to_json(array(select distinct key from page cross join lateral jsonb_object_keys(data) key order by key)))
    from page);
end $$;
-- Whether the crawl is over and only the run's file is to be written.
create or replace function output_is_due(of_run uuid) returns boolean
language sql stable set search_path from current as $$
  select exists (select from output where run_id = of_run and due_at is not null and settled_at is null)
$$;
-- The items after the given one in the order they were stored, null for a lost lease: at most 1,000, and not many more
-- than 2 MB as they are stored, so that one page of huge items does not fill a worker's memory.
create or replace function output_items(token text, held uuid, after bigint) returns json
language plpgsql stable security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off
set enable_mergejoin = off set plan_cache_mode = force_generic_plan set jit = off as $$
declare
  most_bytes constant int := 2000000;
  this_run run := run_of_token(token);
begin
  if not holds_output(this_run.run_id, held) then
    return null;
  end if;
  return (
    select coalesce(json_agg(json_build_object(
      'id', page.item_id::text, 'source', s.name, 'url', r.url, 'data', page.data) order by page.item_id), '[]')
    from (
      select *, sum(pg_column_size(data)) over (order by item_id) - pg_column_size(data) as bytes_before
      from (
        select item_id, url_key, source_no, data from item i
        where i.run_day = this_run.run_day and i.run_id = this_run.run_id and i.item_id > after
        order by i.item_id limit 1000
      ) next
    ) page
    cross join lateral (
      select url from request r
      where r.run_day = this_run.run_day and r.run_id = this_run.run_id and r.url_key = page.url_key offset 0) r
    cross join lateral (
      select name from source s where s.run_id = this_run.run_id and s.source_no = page.source_no offset 0) s
    where page.bytes_before < most_bytes);
end $$;
-- Tells run_host rows what was queued at them. Locks them in order of id: to be called once in a transaction.
create or replace function queue_at_hosts(arrivals arrival[]) returns void
language plpgsql set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off
set enable_mergejoin = off set plan_cache_mode = force_generic_plan set jit = off as $$
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
end $$;
-- What is known of the host's need for a browser, as JSON; null when nothing is known.
create or replace function read_host_rendering(token text, host_name text) returns json
language plpgsql security definer set search_path from current as $$
declare
  this_run run := run_of_token(token);
begin
  return (
    select json_build_object('browserNeed', r.browser_need,
      'ageMs', floor(extract(epoch from clock_timestamp() - r.checked_at) * 1000))
    from host h join host_rendering r using (host_id)
    where h.scope = this_run.host_scope and h.name = host_name
  );
end $$;
-- The rows of a commit. rows 1 is for the planner: as long as it takes them for few, it looks each of them up.
create or replace function read_outcomes(outcomes json) returns table (
  key uuid, token uuid, type text, reason text, cause text, message text, delay_ms double precision, facts jsonb,
  items jsonb, left_out jsonb)
language plpgsql stable rows 1 set search_path from current as $$
begin
  return query select * from json_to_recordset(outcomes) as o(
    key uuid, token uuid, type text, reason text, cause text, message text, "delayMs" double precision, facts jsonb,
    items jsonb, "leftOut" jsonb);
end $$;
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
-- Returns the leases of workers of a run whose heartbeats stopped; how many. Workers that another reaper is just
-- looking at are left to it. Locks in order: worker (skipping locked ones), then as return_leases.
create or replace function reap_leases(this_worker uuid, of_run uuid) returns int
language plpgsql set search_path from current as $$
declare
  this_run run;
  lost uuid[];
  returned int := 0;
begin
  select array_agg(worker_id) into lost from (
    select w.worker_id from worker w
    where w.run_id = of_run and w.lease_until < clock_timestamp()
    order by w.worker_id for no key update skip locked
  ) locked;
  if lost is null then
    return 0;
  end if;
  select * into this_run from run where run_id = of_run;
  if this_run.finished_at is null then
    returned := return_leases(this_run, lost, this_worker);
  end if;
  update worker w set lease_until = null where w.run_id = of_run and w.worker_id = any (lost);
  return returned;
end $$;
-- What a page of the run's schedule had given when it was seen last, as JSON; null when that was not kept.
create or replace function recall_page(token text, key uuid) returns json
language plpgsql security definer set search_path from current as $$
declare
  this_run run := live_run_of_token(token);
begin
  return (
    select json_build_object(
      'plan', plan, 'etag', etag, 'lastModified', last_modified, 'items', items, 'links', links)
    from page where schedule_uid = this_run.schedule_uid and url_key = key and items is not null
  );
end $$;
-- Hands the file back unwritten, so that another worker need not wait for the end of a lease.
create or replace function release_output(token text, held uuid) returns void
language plpgsql security definer set search_path from current as $$
declare
  this_run run := run_of_token(token);
begin
  update output o set writer = null, fence = null where o.run_id = this_run.run_id and o.fence = held;
end $$;
-- The leases of a worker whose pod is gone; it is refused new ones from now on. For the operator.
create or replace function release_worker(of_run uuid, gone uuid, this_worker uuid) returns int
language plpgsql set search_path from current as $$
declare
  this_run run;
begin
  insert into worker as w (run_id, worker_id, released_at)
  select run_id, gone, clock_timestamp() from run where run_id = of_run
  on conflict (run_id, worker_id) do update
  set released_at = coalesce(w.released_at, excluded.released_at), lease_until = null, pages_in_flight = 0;
  select * into this_run from run where run_id = of_run;
  if this_run.finished_at is not null then
    return 0;
  end if;
  return return_leases(this_run, array[gone], this_worker);
end $$;
-- Keeps what the ended requests of a schedule's run say of their pages, and counts the pages by what became of their
-- items. outcomes is as for commit_outcomes, of which page is {plan, etag?, lastModified?, links?}; only those of
-- the given keys count. Pages that answer 404 or 410 are forgotten. What is too large to be kept is fetched next time.
--
-- Locks in order: page by key, progress.
create or replace function remember_pages(this_run run, this_worker uuid, outcomes json, ours uuid[]) returns void
language plpgsql set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off
set enable_mergejoin = off set plan_cache_mode = force_generic_plan set jit = off as $$
declare
  -- Of items and links of one page.
  most_bytes constant int := 262144;
begin
  perform from page p where p.schedule_uid = this_run.schedule_uid and p.url_key = any (ours)
  order by p.url_key for no key update;

  with ended as materialized (
    select o.key, r.source_no, (o.page->>'plan')::uuid as plan, p.url_key is not null as is_known,
      p.plan as plan_before, p.hash as hash_before,
      o.page is null as is_gone,
      case when o.items <> '[]' then md5(o.items::text)::uuid end as hash,
      o.page->>'etag' as etag, o.page->>'lastModified' as last_modified, o.items, o.page->'links' as links,
      pg_column_size(o.items) + pg_column_size(o.page->'links') <= most_bytes
        and o.page ?| array['etag', 'lastModified'] as is_kept
    from (
      select * from json_to_recordset(outcomes) as o(key uuid, type text, facts jsonb, items jsonb, page jsonb)
      where (type = 'done' and page is not null) or (type = 'dead' and facts->>'status' in ('404', '410'))
      order by key offset 0) o
    cross join lateral (
      select source_no from request r
      where r.run_day = this_run.run_day and r.run_id = this_run.run_id and r.url_key = o.key) r
    left join lateral (
      select url_key, plan, hash from page p
      where p.schedule_uid = this_run.schedule_uid and p.url_key = o.key) p on true
    where o.key = any (ours)
  ), stored as (
    insert into page as p (schedule_uid, url_key, seen_by, plan, hash, etag, last_modified, items, links)
    select this_run.schedule_uid, key, this_run.accepted_at, plan, hash, case when is_kept then etag end,
      case when is_kept then last_modified end, case when is_kept then items end, case when is_kept then links end
    from ended where not is_gone order by key
    on conflict (schedule_uid, url_key) do update set
      seen_by = greatest(p.seen_by, excluded.seen_by), plan = excluded.plan, hash = excluded.hash,
      etag = excluded.etag, last_modified = excluded.last_modified,
      -- The same value is not written again where it is stored apart from the row.
      items = case when p.items = excluded.items then p.items else excluded.items end,
      links = case when p.links = excluded.links then p.links else excluded.links end
  ), forgotten as (
    delete from page p using ended e
    where e.is_gone and p.schedule_uid = this_run.schedule_uid and p.url_key = e.key
  ), compared as (
    select source_no, case
      when hash_before is null then 'added'
      when hash is null then 'removed'
      when hash = hash_before then 'unchanged'
      else 'changed' end as change
    from ended
    -- What another plan took out of a page says nothing about the page.
    where (hash is not null or hash_before is not null) and (is_gone or not is_known or plan = plan_before)
  )
  insert into progress as p (run_id, worker_id, source_no, changes)
  select this_run.run_id, this_worker, source_no, jsonb_object_agg(change, pages)
  from (select source_no, change, count(*) as pages from compared group by 1, 2) counts
  group by source_no order by source_no
  on conflict (run_id, worker_id, source_no) do update set changes = add_counts(p.changes, excluded.changes);
end $$;
-- A host in trouble has given a page: no more failures in a row, and after ten its spacing is halved.
create or replace function report_answer(token text, host_name text) returns void
language plpgsql security definer set search_path from current as $$
declare
  this_run run := live_run_of_token(token);
begin
  update host set
    slowdown = case when good_answers >= 9 then greatest(slowdown / 2, 1) else slowdown end,
    good_answers = case when good_answers >= 9 then 0 else good_answers + 1 end,
    failures = 0
  where scope = this_run.host_scope and name = host_name and (slowdown > 1 or failures > 0);
end $$;
-- A host refused a page of the run: its spacing doubles, up to 16 times, for every run of the scope, and the run keeps
-- what it saw. Once the host is told of, its message stays; of more than 1,000 hosts a run keeps none.
--
-- Locks in order: host, blocked_host.
create or replace function report_block(token text, host_name text, evidence text) returns void
language plpgsql security definer set search_path from current as $$
declare
  this_run run := live_run_of_token(token);
  id bigint := host_of_run(this_run, host_name);
begin
  update host set slowdown = least(slowdown * 2, 16), good_answers = 0 where host_id = id;
  insert into blocked_host as b (run_id, host_id, evidence)
  select this_run.run_id, id, left(report_block.evidence, 500)
  where (select count(*) from blocked_host where run_id = this_run.run_id) < 1000
  on conflict (run_id, host_id) do update set blocks = b.blocks + 1;
end $$;
-- One more try in a row has failed on the direct way: after so many the host goes by the proxy until the cool-down is
-- over. True when it does so from now on. Its slowness was towards the direct way.
--
-- Locks in order: host, blocked_host.
create or replace function report_failure(
  token text, host_name text, failure_threshold int, cooldown_ms double precision, evidence text) returns boolean
language plpgsql security definer set search_path from current as $$
declare
  this_run run := live_run_of_token(token);
  id bigint := host_of_run(this_run, host_name);
  is_enough boolean;
begin
  update host set failures = failures + 1, good_answers = 0
  where host_id = id and proxy_until <= clock_timestamp()
  returning failures >= failure_threshold into is_enough;
  if is_enough is not true then
    return false;
  end if;
  update host set failures = 0, slowdown = 1,
    proxy_until = clock_timestamp() + least(cooldown_ms, 86400000) * interval '1 ms'
  where host_id = id;
  insert into blocked_host (run_id, host_id, blocks, evidence)
  select this_run.run_id, id, 0, left(report_failure.evidence, 500)
  where (select count(*) from blocked_host where run_id = this_run.run_id) < 1000
  on conflict do nothing;
  return true;
end $$;
-- Keeps a spider trap for the run's status, the first that is told of a pattern; of more than 100 a run keeps none.
create or replace function report_trap(token text, kind text, pattern text, url text) returns void
language plpgsql security definer set search_path from current as $$
declare
  this_run run := live_run_of_token(token);
begin
  insert into spider_trap (run_id, pattern, kind, url)
  select this_run.run_id, left(report_trap.pattern, 500), report_trap.kind, left(report_trap.url, 2048)
  where (select count(*) from spider_trap t where t.run_id = this_run.run_id) < 100
  on conflict do nothing;
end $$;
-- Takes the host's next place for one more document: {turn, sendBy?, moment, now}, as claim_requests tells them.
create or replace function reserve_host(token text, host_name text, lateness_ms double precision) returns json
language plpgsql security definer set search_path from current as $$
declare
  this_run run := live_run_of_token(token);
  id bigint := host_of_run(this_run, host_name);
  time_now timestamptz;
  spacing double precision;
  turn timestamptz;
begin
  perform from host where host_id = id for no key update;
  time_now := clock_timestamp();
  select host_spacing(this_run.delay_ms, crawl_delay_ms, slowdown) into spacing from host where host_id = id;
  select greatest(next_at, time_now + head_start(spacing, lateness_ms)) into turn from host where host_id = id;
  update host set next_at = turn + spacing * interval '1 ms' where host_id = id;
  return json_strip_nulls(json_build_object('turn', extract(epoch from turn) * 1000,
    'sendBy', extract(epoch from last_send(turn, spacing * interval '1 ms')) * 1000,
    'moment', extract(epoch from time_now) * 1000, 'now', extract(epoch from clock_timestamp()) * 1000));
end $$;
-- The answer when nothing can be claimed now. Uses the pause: brings back what dead workers held, and gives up what the
-- page limits leave no room for, a bounded number at a time.
create or replace function rest_of_run(this_run run, this_worker uuid, horizon interval) returns json
language plpgsql set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off
set enable_mergejoin = off set plan_cache_mode = force_generic_plan set jit = off as $$
begin
  if reap_leases(this_worker, this_run.run_id) > 0 or skip_beyond_limits(this_run, this_worker, 2000) > 0 then
    return json_build_object('state', 'Wait', 'retryInMs', 0);
  end if;
  return json_build_object('state', 'Wait', 'retryInMs', retry_in_ms(this_run.run_id, horizon));
end $$;
-- When to ask again: when the next host is due, every 250 ms at least, since others may bring it forward. 5 ms when one
-- is due but held by another worker, or when nothing is queued: how often to ask in vain is for the worker to decide.
create or replace function retry_in_ms(run_id uuid, horizon interval) returns int
language sql set search_path from current as $$
  select least(250, greatest(5, ceil(extract(epoch from min(next_at) - horizon - clock_timestamp()) * 1000)))::int
  from run_host where run_host.run_id = retry_in_ms.run_id and next_at is not null
$$;
-- Queues again what the given workers hold, but for the leases with the tokens in kept. A commit that is being written
-- is waited for: what it ends stays ended. A request that was lost ten times with its worker is a dead letter: it may be
-- what kills them. The count is kept by this_worker. To be called once in a
-- transaction, since it locks rows of several kinds.
--
-- Locks in order: request by key, progress, run_host by id.
create or replace function return_leases(this_run run, lost uuid[], this_worker uuid, kept uuid[] default null) returns int
language plpgsql set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off
set enable_mergejoin = off set plan_cache_mode = force_generic_plan set jit = off as $$
declare
  most_losses constant int := 10;
  time_now timestamptz := clock_timestamp();
  returned int;
  arrivals arrival[];
begin
  with held as materialized (
    select run_id, url_key from request r
    where r.run_day = this_run.run_day and r.run_id = this_run.run_id and r.state = 'leased'
      and r.leased_by = any (lost) and (kept is null or r.lease_token <> all (kept))
    order by url_key for no key update
  ), freed as (
    update request r
    set state = case when r.lease_losses + 1 < most_losses then 'queued' else 'dead' end::request_state,
      lease_losses = r.lease_losses + 1, lease_token = null, leased_by = null, available_at = time_now, priority = 0,
      has_place = r.lease_losses + 1 < most_losses or not r.is_sitemap,
      reason = 'LeaseExpired', finished_at = case when r.lease_losses + 1 < most_losses then null else time_now end,
      errors = coalesce(r.errors, '[]') || jsonb_build_object(
        'cause', 'LeaseExpired', 'at', time_now,
        'message', case when kept is null then 'worker ' || r.leased_by || ' was lost'
          else 'the answer to the claim of worker ' || r.leased_by || ' was lost' end)
    from held
    where r.run_day = this_run.run_day and r.run_id = held.run_id and r.url_key = held.url_key
    returning r.run_host_id, r.source_no, r.state, r.is_sitemap
  ), counted as (
    insert into progress as p (run_id, worker_id, source_no, leased, places, failed, failed_sitemaps, failed_by,
      last_error, last_error_at)
    select this_run.run_id, this_worker, source_no, -count(*), -count(*) filter (where state = 'dead' and is_sitemap),
      count(*) filter (where state = 'dead'), count(*) filter (where state = 'dead' and is_sitemap),
      case when bool_or(state = 'dead')
        then jsonb_build_object('LeaseExpired', count(*) filter (where state = 'dead')) else '{}' end,
      max('LeaseExpired: lost ' || most_losses || ' workers') filter (where state = 'dead'),
      max(time_now) filter (where state = 'dead')
    from freed group by source_no order by source_no
    on conflict (run_id, source_no, worker_id) do update set
      leased = p.leased + excluded.leased, places = p.places + excluded.places, failed = p.failed + excluded.failed,
      failed_sitemaps = p.failed_sitemaps + excluded.failed_sitemaps,
      failed_by = add_counts(p.failed_by, excluded.failed_by),
      last_error = coalesce(excluded.last_error, p.last_error),
      last_error_at = coalesce(excluded.last_error_at, p.last_error_at)
  )
  select count(*), array_agg((run_host_id, 1, 1, time_now)::arrival) filter (where state = 'queued')
  into returned, arrivals from freed;
  perform queue_at_hosts(arrivals);
  return returned;
end $$;
-- The token's run for the functions of workers. Refuses unknown and revoked tokens with TR001.
create or replace function run_of_token(token text) returns run
language plpgsql stable set search_path from current as $$
declare
  found_run run;
begin
  select run.* into found_run from run_token join run using (run_id)
  where token_hash = sha256(convert_to(token, 'UTF8')) and revoked_at is null;
  if not found then
    raise exception 'the run token is unknown or revoked' using errcode = 'TR001';
  end if;
  return found_run;
end $$;
-- Seeds a run with the dead letters of an earlier one, once; false when the run is seeded already. Sources are found
-- again by name. The run's row is locked first.
create or replace function seed_dead_letters(retry_id uuid, this_worker uuid, earlier_id uuid) returns boolean
language plpgsql set search_path from current as $$
declare
  this_run run;
  links json;
begin
  select * into this_run from run where run_id = retry_id for no key update;
  if this_run.seeded_at is not null or this_run.finished_at is not null then
    return false;
  end if;
  select json_agg(json_build_object('key', r.url_key, 'url', r.url, 'host', h.name, 'source', s.name, 'depth', r.depth,
    'sitemap', r.is_sitemap, 'listingPage', r.listing_page))
  into links
  from request r
  join run_host l on l.run_host_id = r.run_host_id
  join host h on h.host_id = l.host_id
  join source s on s.run_id = r.run_id and s.source_no = r.source_no
  where r.run_id = earlier_id and r.run_day = (select run_day from run where run_id = earlier_id) and r.state = 'dead';
  if links is not null then
    perform queue_at_hosts(discover(this_run, this_worker, links));
  end if;
  update run set seeded_at = clock_timestamp() where run_id = retry_id;
  return true;
end $$;
-- Puts the last of the seeds in, once for the run; false when another worker did. The run's row is locked first.
create or replace function seed_frontier(token text, this_worker uuid, links json) returns boolean
language plpgsql security definer set search_path from current as $$
declare
  this_run run := live_run_of_token(token);
begin
  select * into this_run from run where run_id = this_run.run_id for no key update;
  if this_run.seeded_at is not null or this_run.finished_at is not null then
    return false;
  end if;
  perform queue_at_hosts(discover(this_run, this_worker, links));
  update run set seeded_at = clock_timestamp() where run_id = this_run.run_id;
  return true;
end $$;
-- What became of the file, and with it the end of the run: result is JSON {path, bytes, items, sha256} or {error}. False
-- when the lease is lost and nothing was changed; true when the run is finished, by this call or before. A run whose
-- file cannot be written has failed. Locks in order: run, output.
create or replace function settle_output(token text, held uuid, result json) returns boolean
language plpgsql security definer set search_path from current as $$
declare
  this_run run := run_of_token(token);
  file output;
begin
  select * into this_run from run where run_id = this_run.run_id for no key update;
  if this_run.finished_at is not null then
    return true;
  end if;
  update output o set settled_at = clock_timestamp(), path = result->>'path', bytes = (result->>'bytes')::bigint,
    items = (result->>'items')::bigint, sha256 = result->>'sha256', error = left(result->>'error', 1000)
  where o.run_id = this_run.run_id and o.fence = held
  returning * into file;
  if not found then
    return false;
  end if;
  if file.error is null then
    perform end_run(this_run, file.outcome, file.message);
  else
    perform end_run(this_run, case when file.outcome = 'TimedOut' then 'TimedOut' else 'Failed' end,
      concat_ws('; ', file.message, 'the output was not written: ' || file.error));
  end if;
  return true;
end $$;
-- When a page limit is used up by pages that are over and done with, whatever is queued behind it is skipped. At most
-- bound requests a call; returns how many.
create or replace function skip_beyond_limits(this_run run, this_worker uuid, bound int) returns int
language plpgsql set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off
set enable_mergejoin = off set plan_cache_mode = force_generic_plan set jit = off as $$
declare
  final_sources smallint[];
  lanes bigint[];
  skipped_now int;
begin
  select array_agg(source_no) into final_sources from (
    select s.source_no, s.max_pages, coalesce(sum(p.succeeded + p.failed - p.failed_sitemaps), 0) as ended,
      sum(coalesce(sum(p.succeeded + p.failed - p.failed_sitemaps), 0)) over () as ended_in_run
    from source s left join progress p on p.run_id = s.run_id and p.source_no = s.source_no
    where s.run_id = this_run.run_id group by s.source_no, s.max_pages
  ) sources where ended_in_run >= this_run.max_pages or ended >= max_pages;
  if final_sources is null then
    return 0;
  end if;

  select array_agg(run_host_id) into lanes from (
    select run_host_id from run_host
    where run_id = this_run.run_id and next_at is not null and queued > retries and source_no = any (final_sources)
    order by next_at limit 200 for no key update skip locked
  ) locked;
  with gone as (
    select r.run_id, r.url_key from request r
    where r.run_day = this_run.run_day and r.run_host_id = any (lanes) and r.state = 'queued' and not r.has_place
    limit bound
  ), skipped as (
    update request r set state = 'skipped', reason = 'MaxPages', finished_at = clock_timestamp()
    from (select * from gone limit bound) gone
    where r.run_day = this_run.run_day and r.run_id = gone.run_id and r.url_key = gone.url_key and r.state = 'queued'
    returning r.run_host_id, r.source_no
  ), lane as (
    update run_host l set queued = queued - n, next_at = case when queued > n then next_at end
    from (select run_host_id, count(*) as n from skipped group by 1) s
    where l.run_host_id = any (lanes) and l.run_host_id = s.run_host_id
  ), counted as (
    insert into progress as p (run_id, worker_id, source_no, skipped, skipped_by)
    select this_run.run_id, this_worker, source_no, count(*), jsonb_build_object('MaxPages', count(*))
    from skipped group by source_no order by source_no
    on conflict (run_id, worker_id, source_no)
    do update set skipped = p.skipped + excluded.skipped, skipped_by = add_counts(p.skipped_by, excluded.skipped_by)
  )
  select count(*) into skipped_now from skipped;
  return skipped_now;
end $$;
-- Ends a run whose pods are gone, whether its file is written or not; false when it had ended by itself. For the operator.
--
-- Locks in order: claim lock, run, output, request by key, run_host by id.
create or replace function stop_run(of_run uuid, given_outcome text, given_message text, this_worker uuid) returns boolean
language plpgsql set search_path from current as $$
declare
  this_run run;
begin
  perform pg_advisory_xact_lock(claim_lock(of_run));
  select * into this_run from run where run_id = of_run for no key update;
  update run_token set revoked_at = coalesce(revoked_at, clock_timestamp()) where run_id = of_run;
  if this_run.run_id is null or this_run.finished_at is not null then
    return false;
  end if;
  update output o set settled_at = clock_timestamp(), error = case when due_at is not null then given_message end
  where o.run_id = of_run;
  perform return_leases(this_run, array(select worker_id from worker where run_id = of_run), this_worker);
  update worker w set lease_until = null where w.run_id = of_run and lease_until is not null;
  perform end_run(this_run, given_outcome, given_message);
  return true;
end $$;
-- Writes the worker's row, extends its leases and starts the run's clock at the first one. Works on a finished run too,
-- for the last word of a worker; only leases are not extended there. Locks in order: worker, run.
create or replace function write_heartbeat(token text, this_worker uuid, heartbeat json) returns json
language plpgsql security definer set search_path from current as $$
declare
  this_run run := run_of_token(token);
  time_now timestamptz := clock_timestamp();
  lease_end timestamptz := case when this_run.finished_at is null
    then time_now + this_run.lease_seconds * interval '1 s' end;
  released timestamptz;
begin
  insert into worker as w (run_id, worker_id, pod_name, node_name, state, last_heartbeat_at, lease_until,
    pages_in_flight, concurrency, current_url, idle_ms, rss_bytes, errors)
  select this_run.run_id, this_worker, "podName", "nodeName", state, time_now, lease_end,
    "pagesInFlight", coalesce(concurrency, 0), left("currentUrl", 2048), "idleMs", "rssBytes", errors
  from json_to_record(heartbeat) as h("podName" text, "nodeName" text, state text, "pagesInFlight" int,
    concurrency int, "currentUrl" text, "idleMs" bigint, "rssBytes" bigint, errors int)
  on conflict (run_id, worker_id) do update
  set pod_name = excluded.pod_name, node_name = excluded.node_name, state = excluded.state,
    last_heartbeat_at = excluded.last_heartbeat_at,
    lease_until = case when w.released_at is null then excluded.lease_until end,
    pages_in_flight = excluded.pages_in_flight, concurrency = excluded.concurrency,
    current_url = excluded.current_url, idle_ms = excluded.idle_ms, rss_bytes = excluded.rss_bytes, errors = excluded.errors
  returning released_at into released;
  if this_run.started_at is null and this_run.finished_at is null then
    update run set started_at = time_now where run_id = this_run.run_id and started_at is null;
  end if;
  return json_build_object('finished', this_run.finished_at is not null,
    'stopReason', case
      when released is not null then coalesce(this_run.stop_reason, 'Released')
      -- What was asked of the crawl does not stop the writing of its results.
      when not output_is_due(this_run.run_id) then this_run.stop_reason end);
end $$;
-- Keeps a host's robots.txt; its crawl delay, a minute at most, spaces the requests of every run in the scope.
create or replace function write_robots(token text, host_name text, verdict text, body text, crawl_delay_ms int)
returns void language plpgsql security definer set search_path from current as $$
declare
  this_run run := live_run_of_token(token);
  id bigint := host_of_run(this_run, host_name);
begin
  insert into robots as r (host_id, verdict, body) values (id, write_robots.verdict, write_robots.body)
  on conflict (host_id) do update
  set verdict = excluded.verdict, body = excluded.body, fetched_at = clock_timestamp();
  update host h set crawl_delay_ms = least(greatest(coalesce(write_robots.crawl_delay_ms, 0), 0), 60000)
  where h.host_id = id;
end $$;
