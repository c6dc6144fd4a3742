-- As write_heartbeat for many workers in one statement, each with the token at its place: heartbeats is JSON
-- [{workerId, heartbeat}]. Answers in their order, null for whoever has to be written alone: a new worker, the first of its run, one
-- that hangs, one whose token is not good any more, and one whose row is locked. So nobody is held up by another one, nor fails with it.
create or replace function write_heartbeats(tokens text[], heartbeats json) returns json
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off
set enable_mergejoin = off set plan_cache_mode = force_generic_plan set jit = off as $$
declare
  time_now timestamptz := clock_timestamp();
  answers json;
begin
  with asked as materialized (
    select a.n, t.run_id, a.beat->>'workerId' as worker_id, a.beat->'heartbeat' as heartbeat
    from json_array_elements(heartbeats) with ordinality a(beat, n)
    join run_token t on t.token_hash = token_hash(tokens[a.n]) and t.revoked_at is null
    where a.beat->'heartbeat'->>'stall' is null
  ), locked as materialized (
    select a.n, a.heartbeat, w.run_id, w.worker_id, r.finished_at, r.stop_reason, r.terminates, r.live_version,
      r.lease_seconds * interval '1 s' as lease
    from asked a
    join run r on r.run_id = a.run_id and r.started_at is not null
    join worker w on w.run_id = a.run_id and w.worker_id = a.worker_id::uuid
    for no key update of w skip locked
  ), written as (
    update worker w set pod_name = left(h."podName", 253), node_name = left(h."nodeName", 253), state = h.state,
      -- As in write_heartbeat.
      steady_since = case when w.last_heartbeat_at < time_now - l.lease then time_now else w.steady_since end,
      last_heartbeat_at = time_now,
      lease_until = case when w.released_at is null and l.finished_at is null then time_now + l.lease end,
      pages_in_flight = h."pagesInFlight", concurrency = coalesce(h.concurrency, 0),
      current_url = left(h."currentUrl", 2048), idle_ms = h."idleMs", rss_bytes = h."rssBytes", errors = h.errors
    from locked l, json_to_record(l.heartbeat) as h("podName" text, "nodeName" text, state text, "pagesInFlight" int,
      concurrency int, "currentUrl" text, "idleMs" bigint, "rssBytes" bigint, errors int)
    where w.run_id = l.run_id and w.worker_id = l.worker_id
    returning l.n, json_build_object('finished', l.finished_at is not null, 'liveVersion', l.live_version,
      'stopReason', case
        when w.released_at is not null then coalesce(l.stop_reason, 'Released')
        when not output_is_due(w.run_id) then
          case when l.terminates then 'Terminated' else l.stop_reason end end) as answer
  )
  select json_agg(written.answer order by n) into answers
  from generate_series(1, cardinality(tokens)) n left join written using (n);
  return answers;
end $$;
