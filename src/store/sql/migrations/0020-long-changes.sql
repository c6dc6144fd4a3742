-- Changes that take long are made after the migrations, outside of their transaction, see docs/decisions/0071-long-changes.md.

create table long_change (
  name text primary key,
  started_at timestamptz not null default clock_timestamp(),
  -- Rows so far, for people: nothing depends on it.
  changed bigint not null default 0,
  finished_at timestamptz
);
alter table long_change enable row level security;
