-- Writes what is to be sent of a run that a host refuses, once for the run, in the transaction that slows the host down.
create or replace function note_block(this_run run, host_name text, evidence text) returns void
language sql set search_path from current as $$
  insert into notification (run_id, schedule_uid, event, payload)
  select this_run.run_id, this_run.schedule_uid, 'Blocked', jsonb_build_object(
    'run', this_run.name, 'runId', this_run.run_id, 'namespace', this_run.namespace, 'host', host_name,
    'message', host_name || ': ' || left(evidence, 500), 'startedAt', this_run.started_at,
    'scheduledTime', this_run.scheduled_time, 'trigger', this_run.trigger)
  where this_run.schedule_uid is not null
  on conflict (run_id, event) do nothing
$$;
