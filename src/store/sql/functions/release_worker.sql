-- The leases of a worker whose pod is gone; it is refused new ones from now on. For the operator.
create or replace function release_worker(of_run uuid, gone uuid, this_worker uuid) returns int
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
  return return_leases(this_run, array[gone], this_worker);
end $$;
