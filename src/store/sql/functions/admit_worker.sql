-- Refuses one worker more than a run can have had in good faith: a row of its own for each pod that ever worked for it.
create or replace function admit_worker(this_run run, this_worker uuid) returns void
language plpgsql set search_path from current as $$
declare
  most_workers constant int := 10000;
begin
  if not exists (select from worker w where w.run_id = this_run.run_id and w.worker_id = this_worker)
    and (select count(*) from worker w where w.run_id = this_run.run_id) >= most_workers then
    raise exception 'the run has had too many workers' using errcode = 'TR004';
  end if;
end $$;
