-- Claims begin where the queue begins, and not at what was claimed before.

-- Nothing that holds a place is queued before retries_from, and nothing else before (front_priority, front_from) in the order
-- of the queue: rows before that are dead, but they cannot go as long as an older snapshot is open.
alter table lane add column retries_from timestamptz not null default '-infinity';
alter table lane add column front_priority smallint not null default 0;
alter table lane add column front_from timestamptz not null default '-infinity';

-- The least of what was queued; null counts as 0.
alter type arrival add attribute priority smallint;

-- A lane that a claim has locked, with its host. A row's tid stays as long as the lock is held and the row is not changed:
-- found by its key it would be found behind all its versions.
create type due_lane as (
  lane_no int, lane_id bigint, lane_at tid, source_no smallint, retries int, retries_from timestamptz, front_priority smallint,
  front_from timestamptz, host_id bigint, host_at tid, host_next_at timestamptz, spacing_ms double precision, host_name text,
  is_troubled boolean, is_failing boolean, is_probe boolean, via_proxy boolean);

-- Which of the locked lanes it is of.
alter type pick add attribute lane_no int;
