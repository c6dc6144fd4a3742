-- The crawl-delay that the robots.txt of a host has for the user agent of a run; none for a run without one.
create table crawl_delay (
  run_id uuid not null references run on delete cascade,
  host_id bigint not null references host on delete cascade,
  delay_ms int not null check (delay_ms between 1 and 60000),
  primary key (host_id, run_id)
);
create index crawl_delay_run on crawl_delay (run_id);
alter table crawl_delay enable row level security;
