-- What a run found, compared with its schedule's run before: page by page and item by item, as rows.

create table comparison (
  run_id uuid primary key references run on delete cascade,
  -- Null when there is no earlier run whose results are kept.
  earlier_run uuid,
  -- Whether what the run did not come across is gone, and whether both runs had the same to take out of pages.
  looked_everywhere boolean not null default false,
  spec_changed boolean not null default false,
  -- What is done next, and after which key.
  step text not null default 'Begin' check (step in ('Begin', 'Pages', 'Moves', 'End')),
  after_key uuid not null default '00000000-0000-0000-0000-000000000000',
  urls_new bigint not null default 0,
  urls_changed bigint not null default 0,
  urls_unchanged bigint not null default 0,
  urls_gone bigint not null default 0,
  urls_unseen bigint not null default 0,
  items_new bigint not null default 0,
  items_changed bigint not null default 0,
  items_unchanged bigint not null default 0,
  items_gone bigint not null default 0,
  -- Rows of change that were made, and those that were not since there were too many.
  kept_rows int not null default 0,
  left_out_rows bigint not null default 0,
  next_at timestamptz not null default clock_timestamp(),
  -- Failures in a row, and the last one.
  tries smallint not null default 0,
  error text,
  finished_at timestamptz
) with (fillfactor = 50);
create index comparison_open on comparison (next_at) where finished_at is null;
alter table comparison enable row level security;

create sequence change_id_seq as bigint;
create table change (
  run_id uuid not null,
  change_id bigint not null default nextval('change_id_seq'),
  run_day date not null,
  kind text not null check (kind in ('Url', 'Item')),
  -- Unseen: the run did not come across it, and did not look everywhere.
  change text not null check (change in ('New', 'Changed', 'Gone', 'Unseen')),
  url_key uuid not null,
  source_no smallint not null,
  url text not null,
  -- Of an item: its rows in both runs, what makes it the same one, and {field: {before, after}} of a changed one.
  item_id bigint,
  earlier_item bigint,
  identity uuid,
  label text check (length(label) <= 200),
  fields jsonb,
  primary key (run_id, change_id, run_day)
) partition by range (run_day);
create index change_of_page on change (run_id, url_key);
create index change_moved on change (run_id, identity) where kind = 'Item' and change in ('New', 'Gone');
alter table change enable row level security;

-- The days that there are get their partitions; runs of these days have no index of items by page, and are not compared.
do $$
declare
  part record;
begin
  for part in
    select right(c.relname, 8) as day, pg_get_expr(c.relpartbound, c.oid) as bound
    from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = 'request'::regclass and not i.inhdetachpending
  loop
    execute format('create table %I partition of change %s', 'change_' || part.day, part.bound);
    execute format('alter table %I enable row level security', 'change_' || part.day);
  end loop;
end $$;

-- Of the summary of a run: {urls: {…}, items: {…}}, once it is compared.
alter table execution add column compared jsonb;
