-- What workers read of a spec may change while they crawl: patterns, depth, pages at once. Raised with each such change; claims
-- tell it, and a worker that knows an older one reads the spec once more before it crawls what it has claimed.
alter table run add column live_version int not null default 0;

-- After a change of patterns or depth the operator holds all that the run knows against it, part by part in the order of the
-- keys: up to this one it has come, and this change it is for. The row goes when all of it was looked at.
create table queue_review (
  run_id uuid primary key references run on delete cascade,
  live_version int not null,
  reviewed_to uuid
);
alter table queue_review enable row level security;
