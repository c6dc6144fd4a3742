-- Returns the leases of workers of a run whose heartbeats stopped; how many. steady is for how long the caller has been in
-- touch with the database without a break: where that is shorter than a lease, heartbeats may have stopped since the
-- database was away, and their workers are given the time to come back. Workers that another reaper is just looking at
-- are left to it. Locks in order: worker (skipping locked ones), then as return_leases.
create or replace function reap_leases(this_worker uuid, of_run uuid, steady interval) returns int
language plpgsql set search_path from current as $$
declare
  this_run run;
  lost uuid[];
  returned int := 0;
begin
  if not exists (select from worker w where w.run_id = of_run and w.lease_until < clock_timestamp()) then
    return 0;
  end if;
  select * into this_run from run where run_id = of_run;
  if this_run.finished_at is null and steady < this_run.lease_seconds * interval '1 s' then
    return 0;
  end if;
  select array_agg(worker_id) into lost from (
    select w.worker_id from worker w
    where w.run_id = of_run and w.lease_until < clock_timestamp()
    order by w.worker_id for no key update skip locked
  ) locked;
  if lost is null then
    return 0;
  end if;
  if this_run.finished_at is null then
    returned := return_leases(this_run, lost, this_worker);
  end if;
  update worker w set lease_until = null where w.run_id = of_run and w.worker_id = any (lost);
  return returned;
end $$;
