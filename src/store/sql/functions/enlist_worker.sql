-- Makes sure that the worker has a row, that its leases live on and that the run knows how much it may claim at once,
-- unless it was released. The row stays locked: claims of one worker, and its release, go one after another.
-- Returns the row with the slots that other transactions see: none of a worker that is new.
create or replace function enlist_worker(this_run run, this_worker uuid, wanted_slots int) returns worker
language plpgsql set search_path from current as $$
declare
  lease constant interval := this_run.lease_seconds * interval '1 s';
  mine worker;
begin
  select * into mine from worker w
  where w.run_id = this_run.run_id and w.worker_id = this_worker for no key update;
  if not found then
    perform admit_worker(this_run, this_worker);
    insert into worker (run_id, worker_id, slots, lease_until)
    values (this_run.run_id, this_worker, wanted_slots, clock_timestamp() + lease)
    on conflict (run_id, worker_id) do update set slots = greatest(worker.slots, excluded.slots)
    returning * into mine;
    mine.slots := 0;
  end if;
  if mine.released_at is null and (
    mine.slots < wanted_slots or mine.lease_until is null or mine.lease_until < clock_timestamp() + lease / 2) then
    update worker w set slots = greatest(slots, wanted_slots), lease_until = clock_timestamp() + lease
    where w.run_id = this_run.run_id and w.worker_id = this_worker;
  end if;
  return mine;
end $$;
