-- Has an event Test sent to one receiver of a schedule, whatever events it wants. Returns the id of the message.
create or replace function send_test(of_schedule uuid, of_target text, payload jsonb) returns uuid
language sql security definer set search_path from current as $$
  with test as (
    insert into notification (schedule_uid, event, occasion, payload, routed_at)
    values (of_schedule, 'Test', gen_random_uuid()::text, send_test.payload, clock_timestamp())
    returning notification_id
  )
  insert into delivery (notification_id, target) select notification_id, of_target from test
  returning notification_id
$$;
