-- Ends claimed requests: outcomes is JSON
-- [{key, token, type, reason?, cause?, message?, delayMs?, facts?, items?, leftOut?, itemsLeftOut?, page?, judgedBy?}],
-- links as for discover, with from: the keys of the requests that they were found at. What is not leased with its
-- token any more is left alone, and so is what was found at it alone; links without an outcome that is ours are refused.
-- A page that was read before, and is read once more for its links, has its items already. What a worker skipped by an edited spec
-- (judgedBy) that is not the newest any more is queued again.
-- Returns the keys that were still ours. server as for claim_requests: links that another server knew may be unknown here.
--
-- Locks in order: the worker's turn (advisory), request by key, progress, page by key, then as discover, then lane by id.
create or replace function commit_outcomes(
  token text, this_worker uuid, outcomes json, links json, server text) returns uuid[]
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
  ended jsonb;
begin
  perform same_server(server);
  perform take_turn(this_run, this_worker);
  if json_array_length(outcomes) = 1 and commit_page(this_run, this_worker, (outcomes->0)::jsonb, time_now) then
    ours := array[(outcomes->0->>'key')::uuid];
  else
    with held as materialized (
      select this_run.run_id as run_id, r.url_key, r.source_no, r.url, o.reason, o.cause, o.facts, o.items, o.left_out,
        case when not r.was_read then o.items_left_out end as items_left_out, r.was_read,
        case when o.type = 'done' and not r.was_read then case jsonb_array_length(o.items)
          when 0 then '{}' when 1 then array[nextval('item_id_seq')]
          else array(select nextval('item_id_seq') from generate_series(1, jsonb_array_length(o.items))) end
        end as item_ids,
        case when o.type = 'done' and not r.was_read and jsonb_exists_any(o.facts, array['screenshotError', 'unfinished', 'truncated'])
          then parts_missing(o.facts) end as lacks,
        left(o.message, 1000) as message, o.delay_ms,
        case
          when o.type = 'done' then 'done'
          when o.type = 'skipped' and (o.judged_by is null
            or o.judged_by >= (select live_version from run where run_id = this_run.run_id)) then 'skipped'
          when o.type in ('released', 'skipped') then 'queued'
          when o.type = 'retry' and (case when o.cause = 'Blocked' then r.blocks < most_blocked_retries
            else r.attempts < this_run.max_retries end) then 'queued'
          else 'dead'
        end::request_state as state
      from (select * from read_outcomes(outcomes) order by key offset 0) o
      cross join lateral (
        select url_key, source_no, url, attempts, blocks, was_read from request r
        where r.run_day = this_run.run_day and r.run_id = this_run.run_id and r.url_key = o.key
          and r.lease_token = o.token
        limit 1 for no key update
      ) r
    ), settled as (
      update request r
      set state = h.state, lease_token = null, leased_by = null,
        -- What ends unread is not read again for the links that an earlier try has left out: it would end so again, without end.
        facts = coalesce(h.facts,
          case when h.state = 'queued' then r.facts else r.facts - array['maxDepth', 'scopeMoves'] end),
        first_item = coalesce(h.item_ids[1], r.first_item),
        last_item = coalesce(h.item_ids[cardinality(h.item_ids)], r.last_item),
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
      where (r.run_day = this_run.run_day or r.run_day is null) and r.run_id = h.run_id and r.url_key = h.url_key
      returning r.url_key, r.lane_id, r.source_no, r.state, r.available_at, r.is_sitemap, h.reason, h.cause,
        h.message, h.url, h.left_out, h.items_left_out, h.lacks,
        h.state in ('skipped', 'dead') or h.left_out is not null or h.items_left_out is not null or h.lacks <> '{}' as has_reasons,
        case when jsonb_typeof(h.facts->'bytes') = 'number' then (h.facts->>'bytes')::numeric end as bytes
    ), stored as (
      insert into item (run_id, run_day, item_id, url_key, source_no, data)
      select this_run.run_id, this_run.run_day, h.item_ids[i.place], h.url_key, h.source_no, i.data
      from held h cross join lateral jsonb_array_elements(h.items) with ordinality as i(data, place)
      where h.state = 'done' and not h.was_read
      returning source_no
    ), counted as (
      insert into progress as p (run_id, worker_id, source_no, leased, places, succeeded, failed, skipped, items,
        failed_sitemaps, last_success_at, last_error, last_error_at, bytes, field_counts)
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
        least(coalesce(sum(bytes) filter (where bytes > 0), 0), 1e15)::bigint,
        case when this_run.expected_fields is null then '{}' else (
          select coalesce(jsonb_object_agg(field, n), '{}') from (
            select f.field, count(*) as n
            from held h cross join lateral jsonb_array_elements(h.items) i(data) cross join unnest(this_run.expected_fields) f(field)
            where h.source_no = settled.source_no and h.state = 'done' and not h.was_read
              and coalesce(i.data -> f.field, 'null') not in ('null', '""', '[]')
            group by f.field) c) end
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
        bytes = least(p.bytes + excluded.bytes, 1000000000000000000),
        -- Mostly empty, and the call takes as long as all the rest of the row.
        field_counts = case when excluded.field_counts = '{}' then p.field_counts else add_counts(p.field_counts, excluded.field_counts) end
    )
    select coalesce(array_agg(url_key), '{}'),
      array_agg((lane_id, 1, 1, available_at, 0)::arrival) filter (where state = 'queued'),
      jsonb_agg(jsonb_build_object('source_no', source_no, 'state', state, 'reason', reason, 'cause', cause, 'left_out', left_out,
        'items_left_out', items_left_out, 'lacks', lacks)) filter (where has_reasons)
    into ours, arrivals, ended from settled;
  end if;

  if ours = '{}' then
    return ours;
  end if;
  if ended is not null then
    perform count_reasons(this_run, this_worker, ended);
  end if;
  if this_run.has_moved then
    perform note_left_links(this_run, ours);
  end if;
  if this_run.is_depth_limited then
    perform note_cut_links(this_run.run_id, ours);
  end if;
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
