-- Troubles of runs and schedules are events in the outbox of notifications, whether somebody is told of them or not. Here is who has
-- seen one: it is open until then.
create table alert_acknowledgement (
  notification_id uuid primary key references notification on delete cascade,
  username text not null,
  note text,
  at timestamptz not null default clock_timestamp()
);
alter table alert_acknowledgement enable row level security;
create index notification_of_namespace on notification ((payload->>'namespace'), occurred_at, notification_id);
