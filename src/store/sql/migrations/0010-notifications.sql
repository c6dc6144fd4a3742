-- What is to be sent to webhooks: an event is written in the transaction of the change, its deliveries when their receivers are known.

create table notification (
  -- The message's id, the same for each receiver and each try: by it a receiver knows a message that comes twice.
  notification_id uuid primary key default gen_random_uuid(),
  run_id uuid not null,
  schedule_uid uuid not null,
  event text not null check (event in ('Succeeded', 'Partial', 'Failed', 'Stopped', 'TimedOut', 'Empty')),
  payload jsonb not null,
  occurred_at timestamptz not null default clock_timestamp(),
  -- Its receivers are known, and have their deliveries.
  routed_at timestamptz,
  unique (run_id, event)
);
create index notification_unrouted on notification (occurred_at) where routed_at is null;

create table delivery (
  notification_id uuid not null references notification on delete cascade,
  -- Name of the receiver in the schedule.
  target text not null,
  state text not null default 'pending' check (state in ('pending', 'delivered', 'failed', 'disabled')),
  tries int not null default 0,
  next_at timestamptz not null default clock_timestamp(),
  -- Of the last try.
  tried_at timestamptz,
  status int,
  error text,
  primary key (notification_id, target)
);
create index delivery_due on delivery (next_at) where state = 'pending';

-- Receivers that have answered 410 (Gone): they are sent nothing more as long as they have the same URL.
create table disabled_target (
  schedule_uid uuid not null,
  target text not null,
  url_hash bytea not null,
  disabled_at timestamptz not null default clock_timestamp(),
  primary key (schedule_uid, target)
);

-- The owner's alone.
alter table notification enable row level security;
alter table delivery enable row level security;
alter table disabled_target enable row level security;
