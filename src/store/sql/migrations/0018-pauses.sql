-- A paused run: since when it stands still, and for how long it did before. timeoutSeconds does not count that time.
alter table run add column paused_at timestamptz, add column paused_seconds double precision not null default 0;
