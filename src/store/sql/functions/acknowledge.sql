-- A person has seen an alert of a namespace: the first one who says so stands. Returns JSON: the alert, {run, runId, schedule, event,
-- isNew}; null where there is none in that namespace.
create or replace function acknowledge(of_namespace text, of_alert uuid, by_user text, with_note text) returns json
language plpgsql security definer set search_path from current as $$
declare
  n notification;
  is_new boolean;
begin
  select * into n from notification
  where notification_id = of_alert and payload->>'namespace' = of_namespace and event not in ('Succeeded', 'Stopped', 'Test')
  for no key update;
  if not found then
    return null;
  end if;
  insert into alert_acknowledgement (notification_id, username, note) values (of_alert, by_user, with_note)
  on conflict do nothing;
  is_new := found;
  update notification set is_acknowledged = true where notification_id = of_alert and is_new;
  return json_build_object('run', n.payload->'run', 'schedule', n.payload->'schedule',
    'uid', coalesce(n.run_id, n.schedule_uid), 'event', n.event, 'isNew', is_new);
end $$;
