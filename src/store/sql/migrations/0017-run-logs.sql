-- What workers have logged, kept for when their pods are gone: compressed parts, as workers sent them.

create table run_log (
  -- In the order in which the parts of a run were stored.
  log_id bigint generated always as identity primary key,
  run_id uuid not null,
  worker_id uuid not null,
  -- Counted by the worker: a part that is sent twice is there once.
  seq int not null check (seq > 0),
  stored_at timestamptz not null default clock_timestamp(),
  -- Times of its first and its last line, by the worker's clock.
  first_at timestamptz not null,
  last_at timestamptz not null,
  lines int not null check (lines >= 0),
  -- Lines before these that the worker could not keep.
  lost int not null check (lost >= 0),
  -- gzip (RFC 1952) of lines, in UTF-8.
  data bytea not null check (length(data) <= 65536),
  unique (run_id, worker_id, seq)
);
alter table run_log alter column data set storage external;
create index run_log_by_time on run_log (run_id, first_at, log_id);
create index run_log_stored on run_log (stored_at);

-- Of a run: what is kept, and what was dropped since that was too much. The first parts, up to head_until, stay.
create table run_log_total (
  run_id uuid primary key,
  stored_at timestamptz not null default clock_timestamp(),
  head_until bigint not null default 0,
  ever int not null default 0,
  parts int not null default 0,
  bytes bigint not null default 0,
  dropped_lines bigint not null default 0
) with (fillfactor = 50);
create index run_log_total_stored on run_log_total (stored_at);

alter table run_log enable row level security;
alter table run_log_total enable row level security;
