-- Ends a run whose pods are gone, whether its file is written or not; false when it had ended by itself. For the operator.
--
-- Locks in order: worker by id, claim lock, run, output, request by key, lane by id, worker (skipping locked ones).
create or replace function stop_run(of_run uuid, given_outcome text, given_message text, this_worker uuid) returns boolean
language plpgsql set search_path from current as $$
declare
  this_run run;
begin
  perform from worker where run_id = of_run order by worker_id for no key update;
  perform pg_advisory_xact_lock(claim_lock(of_run));
  select * into this_run from run where run_id = of_run for no key update;
  update run_token set revoked_at = coalesce(revoked_at, clock_timestamp()) where run_id = of_run;
  if this_run.run_id is null or this_run.finished_at is not null then
    return false;
  end if;
  update output o set settled_at = clock_timestamp(), error = case when due_at is not null then given_message end
  where o.run_id = of_run;
  perform return_leases(this_run, array(select worker_id from worker where run_id = of_run), this_worker);
  -- One that has come since the first statement may hold its row and wait for the claim lock: the sweep looks at it later.
  update worker w set lease_until = null
  where w.run_id = of_run and w.worker_id in (
    select worker_id from worker where run_id = of_run and lease_until is not null
    order by worker_id for no key update skip locked);
  perform end_run(this_run, given_outcome, given_message);
  return true;
end $$;
