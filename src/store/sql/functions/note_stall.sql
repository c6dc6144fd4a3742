-- Writes what is to be sent of a run with a worker that hangs, once for the run, in the transaction that finds it out.
create or replace function note_stall(this_run run, stall text) returns void
language sql set search_path from current as $$
  insert into notification (run_id, schedule_uid, event, payload)
  select this_run.run_id, this_run.schedule_uid, 'Stalled', jsonb_build_object(
    'run', this_run.name, 'runId', this_run.run_id, 'namespace', this_run.namespace, 'message', left(stall, 1000),
    'startedAt', this_run.started_at, 'scheduledTime', this_run.scheduled_time, 'trigger', this_run.trigger)
  where this_run.schedule_uid is not null
  on conflict (run_id, event) do nothing
$$;
