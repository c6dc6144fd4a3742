-- The row of a worker of which nothing has to be written down before it is told that there is nothing for it; null when there
-- is: it is new, its leases have to be extended, it has more slots than before or begins another claim epoch. No lock.
create or replace function known_worker(this_run run, this_worker uuid, wanted_slots int, epoch int) returns worker
language sql stable set search_path from current as $$
  select w from worker w
  where w.run_id = this_run.run_id and w.worker_id = this_worker and w.released_at is null and w.slots >= wanted_slots
    and w.claim_epoch = epoch and w.lease_until > clock_timestamp() + this_run.lease_seconds * interval '1 s' / 2
$$;
