-- Where start URLs of a source have moved to, which its scope reaches since then. At most 100 a source.
create table moved_place (
  run_id uuid not null,
  source_no smallint not null,
  url text not null check (length(url) <= 2048),
  moved_at timestamptz not null default clock_timestamp(),
  primary key (run_id, source_no, url),
  foreign key (run_id, source_no) references source on delete cascade
);
alter table moved_place enable row level security;
