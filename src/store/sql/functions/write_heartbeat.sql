-- Writes the worker's row, extends its leases and starts the run's clock at the first one. Works on a finished run too,
-- for the last word of a worker; only leases are not extended there. With stall it is the last word of one that hangs: what it
-- holds goes to others as soon as its pod has ended. Locks in order: worker, run.
create or replace function write_heartbeat(token text, this_worker uuid, heartbeat json) returns json
language plpgsql security definer set search_path from current as $$
declare
  this_run run := run_of_token(token);
  time_now timestamptz := clock_timestamp();
  lease_end timestamptz := case when this_run.finished_at is null
    then time_now + this_run.lease_seconds * interval '1 s' end;
  released timestamptz;
begin
  perform admit_worker(this_run, this_worker);
  insert into worker as w (run_id, worker_id, pod_name, node_name, state, last_heartbeat_at, lease_until,
    pages_in_flight, concurrency, current_url, idle_ms, rss_bytes, errors, stall, stalled_at)
  select this_run.run_id, this_worker, left("podName", 253), left("nodeName", 253), state, time_now, lease_end,
    "pagesInFlight", coalesce(concurrency, 0), left("currentUrl", 2048), "idleMs", "rssBytes", errors,
    left(stall, 1000), case when stall is not null then time_now end
  from json_to_record(heartbeat) as h("podName" text, "nodeName" text, state text, "pagesInFlight" int,
    concurrency int, "currentUrl" text, "idleMs" bigint, "rssBytes" bigint, errors int,
    stall text)
  on conflict (run_id, worker_id) do update
  set pod_name = excluded.pod_name, node_name = excluded.node_name, state = excluded.state,
    -- Out of touch for longer than a lease: what it knows of others is no evidence any more.
    steady_since = case when w.last_heartbeat_at < time_now - this_run.lease_seconds * interval '1 s' then time_now
      else w.steady_since end,
    last_heartbeat_at = excluded.last_heartbeat_at,
    lease_until = case when w.released_at is null then excluded.lease_until end,
    pages_in_flight = excluded.pages_in_flight, concurrency = excluded.concurrency,
    current_url = excluded.current_url, idle_ms = excluded.idle_ms, rss_bytes = excluded.rss_bytes, errors = excluded.errors,
    stall = coalesce(excluded.stall, w.stall), stalled_at = coalesce(excluded.stalled_at, w.stalled_at)
  returning released_at into released;
  if this_run.started_at is null and this_run.finished_at is null then
    update run set started_at = time_now where run_id = this_run.run_id and started_at is null;
  end if;
  if heartbeat->>'stall' is not null then
    perform note_stall(this_run, w.pod_name || ': ' || w.stall)
    from worker w where w.run_id = this_run.run_id and w.worker_id = this_worker;
  end if;
  return json_build_object('finished', this_run.finished_at is not null, 'liveVersion', this_run.live_version,
    'stopReason', case
      when released is not null then coalesce(this_run.stop_reason, 'Released')
      -- What was asked of the crawl does not stop the writing of its results.
      when not output_is_due(this_run.run_id) then
        case when this_run.terminates then 'Terminated' else this_run.stop_reason end end);
end $$;
