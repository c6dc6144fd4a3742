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
