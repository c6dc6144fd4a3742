-- Writes what is to be sent of a run that has ended, once for each event, in the transaction that ends it. A run without a
-- schedule has no receivers.
create or replace function note_event(of_run uuid, this_event text) returns void
language sql set search_path from current as $$
  insert into notification (run_id, schedule_uid, event, payload)
  select r.run_id, r.schedule_uid, this_event, jsonb_build_object(
    'run', r.name, 'runId', r.run_id, 'namespace', r.namespace, 'outcome', r.outcome, 'message', r.message,
    'startedAt', r.started_at, 'finishedAt', r.finished_at, 'scheduledTime', r.scheduled_time, 'trigger', r.trigger,
    'pages', jsonb_build_object('succeeded', c.succeeded, 'failed', c.failed, 'skipped', c.skipped),
    'items', c.items)
  from run r cross join lateral (
    select coalesce(sum(succeeded), 0) as succeeded, coalesce(sum(failed), 0) as failed,
      coalesce(sum(skipped), 0) as skipped, coalesce(sum(items), 0) as items
    from progress p where p.run_id = r.run_id) c
  where r.run_id = of_run and r.schedule_uid is not null and (this_event <> 'Empty' or c.items = 0)
  on conflict (run_id, event) do nothing
$$;
