-- Ends the crawl of a run whose pods are gone, if it has a file to be written: the run ends, as it is said here, when that
-- is done. False when it has none or has ended. For the operator.
--
-- Locks in order: claim lock, run, output, request by key, lane by id.
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
