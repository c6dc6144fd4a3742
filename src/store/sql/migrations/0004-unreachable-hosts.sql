-- Hosts that do not answer are asked ever more slowly, by all runs of the scope, and are given up in the end.

-- First tries in a row that met no working server: when the last one that counted was seen, the least spacing until the
-- host answers again, and what went wrong.
alter table host add column outage_failures smallint not null default 0;
alter table host add column outage_ms int not null default 0;
alter table host add column outage_at timestamptz;
alter table host add column outage_message text;

-- Hosts that a run has given up: what it has queued there, and what it finds later, is dead without a try.
create table unreachable_host (
  run_id uuid not null references run on delete cascade,
  host_id bigint not null references host on delete cascade,
  message text not null,
  since timestamptz not null default clock_timestamp(),
  primary key (run_id, host_id)
);
alter table unreachable_host enable row level security;

-- Among those failed: pages that never took a place in the page limits.
alter table progress add column failed_unplaced bigint not null default 0;
