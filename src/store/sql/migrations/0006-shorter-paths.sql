-- What a run with a depth limit crawls does not depend on the order in which pages are read.

-- The run, or one of its sources, has a depth limit. Runs from before go on as they began.
alter table run add column is_depth_limited boolean not null default false;

-- Links to known requests of the same source that are nearer to a start URL than these were known to be; rows go when the
-- requests have that depth. Without a unique key, so that no commit waits for another to put one in.
create table shorter_path (
  run_id uuid not null references run on delete cascade,
  url_key uuid not null,
  depth smallint not null
);
create index shorter_path_request on shorter_path (run_id, url_key);
alter table shorter_path enable row level security;

-- The items of the page are stored, and it is read once more for its links.
alter table request add column was_read boolean not null default false;
