-- Leases at most slots requests to the worker and answers with JSON: {state, server, claims, dueFrom, moment, now |
-- retryInMs, isSeeded, dueFrom | reason}. A claim may be sent from its turn on and, where the host has a delay worth the
-- name, until its sendBy: then the next in line may come. All are milliseconds of the database's clock; turns were placed
-- at moment, the answer ends at now. lateness_ms is how late the worker's answers come at worst, see head_start.
--
-- claim_epoch and held: a worker that cannot know what it holds any more begins a new epoch, see begin_claim_epoch.
-- server is what the last answer said, null at first: TR003 when another server answers now. due_from is the dueFrom of
-- the last answer, null to look at all lanes, see pick_lanes. liveVersion: who knows an older one of the spec reads it once more.
--
-- Locks, always in this order: the worker's turn (advisory), worker, claim lock of the run, lane and host (skipping locked ones), request, progress.
-- Nothing after the claim lock is ever waited for but progress, which only this worker writes, one call at a time.
create or replace function claim_requests(
  token text, this_worker uuid, slots int, lateness_ms double precision, claim_epoch int, held uuid[], server text,
  due_from double precision) returns json
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off
set enable_mergejoin = off set plan_cache_mode = force_generic_plan set jit = off as $$
declare
  -- A host is offered when it is due within this time; the worker waits the rest.
  horizon constant interval := '500 ms';
  -- Requests of one host that become due within this time are taken together.
  batch_ms constant int := 100;
  look_from constant timestamptz := coalesce(to_timestamp(due_from / 1000), '-infinity');
  this_run run := run_of_token(token);
  mine worker;
  is_work_due boolean;
  is_alone boolean;
  per_host int;
  room page_room;
  locked record;
  shares host_turns[] := '{}';
  picks pick[];
  time_now timestamptz;
  claims json;
begin
  perform same_server(server);
  perform take_turn(this_run, this_worker);
  if this_run.finished_at is not null then
    return json_build_object('state', 'Finished');
  end if;
  slots := least(greatest(slots, 1), 500);
  -- A look that finds nothing writes nothing, and a row's lock is written: workers look many times a second.
  time_now := clock_timestamp();
  is_work_due := exists (
    select from lane l
    where l.run_id = this_run.run_id and l.next_at <= time_now + horizon and l.next_at >= look_from);
  mine := case when not is_work_due then known_worker(this_run, this_worker, slots, claim_epoch) end;
  if mine.worker_id is null then
    mine := enlist_worker(this_run, this_worker, slots);
  end if;
  if mine.released_at is not null then
    return json_build_object('state', 'Stopping', 'reason', 'Released');
  end if;
  if mine.claim_epoch <> claim_epoch then
    if mine.claim_epoch < claim_epoch then
      perform begin_claim_epoch(this_run, this_worker, claim_epoch, held);
    end if;
    return json_build_object('state', 'Wait', 'retryInMs', 0);
  end if;

  -- Claims beside others count on the slots of all that may claim: a worker whose slots these cannot see yet comes alone.
  is_alone := this_run.exact_limits or mine.slots < slots;
  if is_alone then
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
  if this_run.exact_limits and not is_alone then
    -- The limits have come near while this claim waited: it would share what it has to count alone.
    return json_build_object('state', 'Wait', 'retryInMs', 0);
  end if;

  room := page_room(this_run, mine, case when is_work_due then slots else 0 end);
  if not this_run.exact_limits and room.source_left is not null and limits_are_near(this_run, room, 1) then
    update run set exact_limits = true where run_id = this_run.run_id and not exact_limits;
    return json_build_object('state', 'Wait', 'retryInMs', 0);
  end if;
  if this_run.exact_limits and not coalesce(limits_are_near(this_run, room, 2), false) then
    update run set exact_limits = false where run_id = this_run.run_id and exact_limits;
  end if;

  if (this_run.is_depth_limited or this_run.has_moved) and take_shorter_paths(this_run, this_worker, 200) then
    return json_build_object('state', 'Wait', 'retryInMs', 0);
  end if;

  if not is_work_due then
    return rest_of_run(this_run, mine, room, look_from, horizon);
  end if;
  time_now := clock_timestamp();
  per_host := least(slots, 1 + floor(batch_ms / greatest(this_run.delay_ms, 0.001)));
  if room.run_left = 0 or room.full_sources <> '{}' then
    perform park_lanes(this_run, room, look_from, time_now + horizon);
  end if;
  locked := pick_lanes(this_run, room, look_from, time_now, time_now + horizon,
    ceil(slots::numeric / per_host)::int);
  if locked.lanes is null then
    return rest_of_run(this_run, mine, room, look_from, horizon);
  end if;

  if locked.shared is not null then
    shares := array(select share_host(this_run, host_id, time_now, horizon) from unnest(locked.shared) host_id);
  end if;
  picks := pick_requests(this_run, locked.lanes, shares, room, slots, per_host, lateness_ms, time_now, horizon);
  if shares <> '{}' then
    shares := settle_shares(this_run, shares, picks, slots, time_now, horizon);
  end if;
  if picks is not null then
    claims := lease_requests(this_run, this_worker, locked.lanes, picks);
  end if;
  perform move_hosts(this_run, locked.lanes, picks, shares, time_now);
  if mine.places_granted > 0 then
    update worker w set places_granted = greatest(places_granted - cardinality(picks), 0)
    where w.run_id = this_run.run_id and w.worker_id = this_worker;
  end if;

  if claims is null then
    -- These hosts turned out to be not due; they are marked so, and others may be.
    return json_build_object('state', 'Wait', 'retryInMs', retry_in_ms(next_due(this_run.run_id, look_from), horizon));
  end if;
  return json_build_object('state', 'Claimed', 'server', server_identity(), 'claims', claims,
    'dueFrom', extract(epoch from locked.first_due) * 1000, 'liveVersion', this_run.live_version,
    'moment', extract(epoch from time_now) * 1000, 'now', extract(epoch from clock_timestamp()) * 1000);
end $$;
