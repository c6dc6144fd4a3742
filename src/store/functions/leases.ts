// What happens to leases when their worker is gone, and how a run ends.
import { QUEUE_PLANS } from './queue-plans.ts';

/**
 * Queues again what the given workers hold, but for the leases with the tokens in `kept`. A commit that is being written
 * is waited for: what it ends stays ended. A request that was lost ten times with its worker is a dead letter: it may be
 * what kills them. The count is kept by `me`. To be called once in a transaction, since it locks rows of several kinds.
 *
 * Locks in order: request by key, progress, run_host by id.
 */
const returnLeases = `
create or replace function return_leases(this_run run, lost uuid[], me uuid, kept uuid[] default null) returns int
language plpgsql set search_path from current
${QUEUE_PLANS} as $$
declare
  most_losses constant int := 10;
  moment timestamptz := clock_timestamp();
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
      lease_losses = r.lease_losses + 1, lease_token = null, leased_by = null, available_at = moment, priority = 0,
      has_place = r.lease_losses + 1 < most_losses or not r.is_sitemap,
      reason = 'LeaseExpired', finished_at = case when r.lease_losses + 1 < most_losses then null else moment end,
      errors = coalesce(r.errors, '[]') || jsonb_build_object(
        'cause', 'LeaseExpired', 'at', moment,
        'message', case when kept is null then 'worker ' || r.leased_by || ' was lost'
          else 'the answer to the claim of worker ' || r.leased_by || ' was lost' end)
    from held
    where r.run_day = this_run.run_day and r.run_id = held.run_id and r.url_key = held.url_key
    returning r.run_host_id, r.source_no, r.state, r.is_sitemap
  ), counted as (
    insert into progress as p (run_id, worker_id, source_no, leased, places, failed, failed_sitemaps, failed_by, last_error, last_error_at)
    select this_run.run_id, me, source_no, -count(*), -count(*) filter (where state = 'dead' and is_sitemap),
      count(*) filter (where state = 'dead'), count(*) filter (where state = 'dead' and is_sitemap),
      case when bool_or(state = 'dead')
        then jsonb_build_object('LeaseExpired', count(*) filter (where state = 'dead')) else '{}' end,
      max('LeaseExpired: lost ' || most_losses || ' workers') filter (where state = 'dead'),
      max(moment) filter (where state = 'dead')
    from freed group by source_no order by source_no
    on conflict (run_id, source_no, worker_id) do update set
      leased = p.leased + excluded.leased, places = p.places + excluded.places, failed = p.failed + excluded.failed,
      failed_sitemaps = p.failed_sitemaps + excluded.failed_sitemaps,
      failed_by = add_counts(p.failed_by, excluded.failed_by),
      last_error = coalesce(excluded.last_error, p.last_error),
      last_error_at = coalesce(excluded.last_error_at, p.last_error_at)
  )
  select count(*), array_agg((run_host_id, 1, 1, moment)::arrival) filter (where state = 'queued')
  into returned, arrivals from freed;
  perform queue_at_hosts(arrivals);
  return returned;
end $$`;

/**
 * Returns the leases of workers of a run whose heartbeats stopped; how many. Workers that another reaper is just
 * looking at are left to it. Locks in order: worker (skipping locked ones), then as return_leases.
 */
const reapLeases = `
create or replace function reap_leases(me uuid, of_run uuid) returns int
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
    returned := return_leases(this_run, lost, me);
  end if;
  update worker w set lease_until = null where w.run_id = of_run and w.worker_id = any (lost);
  return returned;
end $$`;

/** The leases of a worker whose pod is gone; it is refused new ones from now on. For the operator. */
const releaseWorker = `
create or replace function release_worker(of_run uuid, gone uuid, me uuid) returns int
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
  return return_leases(this_run, array[gone], me);
end $$`;

/**
 * Writes the end of a run, whose row and claim lock the caller holds. Outcome and results are computed from the
 * counters, unless the outcome is given.
 */
const endRun = `
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
end $$`;

/** Whether the crawl is over and only the run's file is to be written. */
const outputIsDue = `
create or replace function output_is_due(of_run uuid) returns boolean
language sql stable set search_path from current as $$
  select exists (select from output where run_id = of_run and due_at is not null and settled_at is null)
$$`;

/**
 * True when the crawl is over: nothing is queued or leased any more. That is the end of the run too, unless it has a file
 * to be written. One snapshot decides, taken under the lock of the run's row: as long as anything can still be found, the
 * request it is found at is leased in it.
 */
const finishRun = `
create or replace function finish_run(token text) returns boolean
language plpgsql security definer set search_path from current
${QUEUE_PLANS} as $$
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
end $$`;

/**
 * Ends the crawl of a run whose pods are gone, if it has a file to be written: the run ends, as it is said here, when that
 * is done. False when it has none or has ended. For the operator.
 *
 * Locks in order: claim lock, run, output, request by key, run_host by id.
 */
const closeCrawl = `
create or replace function close_crawl(of_run uuid, given_outcome text, given_message text, me uuid) returns boolean
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
  perform return_leases(this_run, array(select worker_id from worker where run_id = of_run), me);
  return true;
end $$`;

/**
 * Ends a run whose pods are gone, whether its file is written or not; false when it had ended by itself. For the operator.
 *
 * Locks in order: claim lock, run, output, request by key, run_host by id.
 */
const stopRun = `
create or replace function stop_run(of_run uuid, given_outcome text, given_message text, me uuid) returns boolean
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
  perform return_leases(this_run, array(select worker_id from worker where run_id = of_run), me);
  update worker w set lease_until = null where w.run_id = of_run and lease_until is not null;
  perform end_run(this_run, given_outcome, given_message);
  return true;
end $$`;

export const leaseFunctions = [
  returnLeases,
  reapLeases,
  releaseWorker,
  endRun,
  outputIsDue,
  finishRun,
  closeCrawl,
  stopRun,
];
