-- What stays of a run when its results and its CrawlRun are gone: one row for each, written in the transaction that ends it.

-- The crawler image that the run was given, and the bytes of bodies that its pages have sent.
alter table run add column image text check (length(image) <= 512);
alter table progress add column bytes bigint not null default 0;

create table execution (
  -- The run's id; of Maintenance made of its slot.
  execution_id uuid primary key,
  type text not null check (type in ('Crawl', 'Maintenance')),
  namespace text not null,
  name text not null,
  schedule_uid uuid,
  schedule_name text,
  trigger text not null,
  scheduled_time timestamptz,
  image text,
  accepted_at timestamptz not null,
  started_at timestamptz,
  finished_at timestamptz not null,
  outcome text not null check (outcome in ('Succeeded', 'Partial', 'Failed', 'Stopped', 'TimedOut')),
  -- Who or what stopped it.
  reason text check (length(reason) <= 100),
  message text check (length(message) <= 1000),
  -- Requests by how they ended; open are those that had not.
  succeeded bigint not null default 0,
  failed bigint not null default 0,
  skipped bigint not null default 0,
  open bigint not null default 0,
  items bigint not null default 0,
  bytes bigint not null default 0,
  -- Counts by cause and by reason, the 50 most frequent.
  failed_by jsonb not null default '{}',
  skipped_by jsonb not null default '{}',
  -- Pages by what became of their items; null for the first run of a schedule and one without a schedule.
  changes jsonb,
  -- [{name, result, message, succeeded, failed, skipped, items, bytes}], the first 100.
  sources jsonb not null default '[]',
  -- [{source, url, data}], the first 100 as long as they have 32 KiB together; data is null where it has more than 4 KiB.
  first_items jsonb not null default '[]',
  -- Of Maintenance: what it did, in numbers.
  work jsonb
);
create index execution_of_schedule on execution (namespace, schedule_name, finished_at);
create index execution_of_namespace on execution (namespace, finished_at);
create index execution_finished on execution (finished_at);
alter table execution enable row level security;
