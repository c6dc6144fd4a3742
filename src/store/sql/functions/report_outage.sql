-- A try that began age_ms ago met no working server at the host: {state, pauseMs}, as outage_state and outage_pause say.
-- Tries of a parked host that were begun before its last failure was seen say nothing new, and what is older than an
-- hour is forgotten. A host that is down is given up by every run that is at work on it.
--
-- Locks in order: host, unreachable_host, lane by id.
create or replace function report_outage(token text, host_name text, age_ms double precision, message text) returns json
language plpgsql security definer set search_path from current as $$
declare
  memory constant interval := '1 hour';
  this_run run := live_run_of_token(token);
  id bigint := host_of_run(this_run, host_name);
  h host;
  time_now timestamptz;
  began_at timestamptz;
  seen int;
  pause_ms int;
begin
  select * into h from host where host_id = id for no key update;
  time_now := clock_timestamp();
  began_at := time_now - least(greatest(age_ms, 0), 86400000) * interval '1 ms';
  seen := case when h.outage_at > time_now - memory then h.outage_failures else 0 end;
  if outage_state(seen) not in ('Parked', 'Down') or began_at >= h.outage_at then
    seen := least(seen + 1, 1000);
    pause_ms := outage_pause(seen, age_ms);
    update host set outage_failures = seen, outage_ms = pause_ms, outage_at = time_now, good_answers = 0,
      outage_message = left(report_outage.message, 500),
      next_at = case when pause_ms > 0 then greatest(next_at, time_now + pause_ms * interval '1 ms') else next_at end
    where host_id = id;
  end if;
  if outage_state(seen) = 'Down' then
    perform give_up_host(this_run.host_scope, id, format(
      'the host does not answer: %s tries in a row failed, the last one: %s', seen, left(report_outage.message, 500)));
  end if;
  return json_build_object('state', outage_state(seen), 'pauseMs', coalesce(pause_ms, h.outage_ms));
end $$;
