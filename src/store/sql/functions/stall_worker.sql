-- Takes a worker that has given no heartbeat for so long as one that hangs: writes that down, refuses it new leases, and returns
-- those that it may have left; how many. Null where that is not sure: its leases have not been returned yet, or no other worker that
-- was at work when it fell silent has been heard since, so that the gateway may be away. For the operator.
create or replace function stall_worker(of_run uuid, gone uuid, silence interval, this_worker uuid) returns int
language plpgsql set search_path from current as $$
declare
  this_run run;
  mute worker;
  is_heard boolean;
begin
  select * into mute from worker where run_id = of_run and worker_id = gone for no key update;
  select * into this_run from run where run_id = of_run;
  if mute.worker_id is null or this_run.finished_at is not null or mute.released_at is not null
    or mute.lease_until is not null or mute.last_heartbeat_at > clock_timestamp() - silence then
    return null;
  end if;
  select bool_or(o.last_heartbeat_at > mute.last_heartbeat_at + this_run.lease_seconds * interval '1 s') into is_heard
  from run r join worker o on o.run_id = r.run_id
  where r.finished_at is null and (o.run_id, o.worker_id) <> (of_run, gone) and o.released_at is null
    and o.state not in ('Stopped', 'Completed', 'Failed')
    and o.last_heartbeat_at > mute.last_heartbeat_at - this_run.lease_seconds * interval '1 s';
  -- Where it was alone nobody else can tell.
  if not coalesce(is_heard, true) then
    return null;
  end if;
  update worker w
  set stalled_at = clock_timestamp(), released_at = clock_timestamp(), pages_in_flight = 0,
    stall = left(format('no heartbeat for %s s, since %s, with %s pages open%s',
      round(extract(epoch from clock_timestamp() - w.last_heartbeat_at)),
      to_char(w.last_heartbeat_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), w.pages_in_flight,
      ', the first at ' || w.current_url), 1000)
  where w.run_id = of_run and w.worker_id = gone
  returning * into mute;
  perform note_stall(this_run, mute.pod_name || ': ' || mute.stall);
  return return_leases(this_run, array[gone], this_worker);
end $$;
