-- Puts some of the seeds in, of more than go into one call; false when the run has them all.
create or replace function add_seeds(token text, this_worker uuid, links json) returns boolean
language plpgsql security definer set search_path from current as $$
declare
  this_run run := live_run_of_token(token);
begin
  perform take_turn(this_run, this_worker);
  select * into this_run from run where run_id = this_run.run_id for no key update;
  if this_run.seeded_at is not null or this_run.finished_at is not null then
    return false;
  end if;
  perform queue_at_hosts(discover(this_run, this_worker, links));
  return true;
end $$;
