-- Gives the run's file to a worker, once the crawl is over: {state: Leased, fence}. Every lease has a new fence, and only
-- its bearer may read on and settle. Wait while another holds it who gives heartbeats. Locks in order: worker, output.
create or replace function lease_output(token text, this_worker uuid) returns json
language plpgsql security definer set search_path from current as $$
declare
  this_run run := run_of_token(token);
  file output;
begin
  if this_run.finished_at is not null then
    return json_build_object('state', 'Finished');
  end if;
  if (enlist_worker(this_run, this_worker, 0)).released_at is not null then
    return json_build_object('state', 'Stopping');
  end if;
  select * into file from output o where o.run_id = this_run.run_id for no key update;
  if file.settled_at is not null then
    return json_build_object('state', 'Finished');
  end if;
  if file.due_at is null then
    raise exception 'the crawl is not over: its output is not due';
  end if;
  if file.writer <> this_worker and exists (
    select from worker w where w.run_id = this_run.run_id and w.worker_id = file.writer
      and w.released_at is null and w.lease_until > clock_timestamp()) then
    return json_build_object('state', 'Wait', 'retryInMs', 1000);
  end if;
  update output o set writer = this_worker, fence = gen_random_uuid() where o.run_id = this_run.run_id
  returning * into file;
  return json_build_object('state', 'Leased', 'fence', file.fence);
end $$;
