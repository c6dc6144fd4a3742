-- Waits for the calls of the run's workers that are under way: those that begin after it see what was committed before it. For the
-- operator. A call takes its worker's turn before any other lock, so nobody waits for this in a circle.
create or replace function await_calls(of_run uuid) returns void
language plpgsql set search_path from current as $$
declare
  this_run run;
begin
  select * into this_run from run where run_id = of_run;
  perform take_turn(this_run, worker_id) from (select worker_id from worker where run_id = of_run order by worker_id) workers;
end $$;
