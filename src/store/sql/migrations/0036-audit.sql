-- Who changed what through the API server, from where, and what it was before and after: written by the server's function alone.
create table audit (
  audit_id bigint generated always as identity primary key,
  -- Given by the server: an entry that is sent again is there already.
  entry_id uuid not null unique,
  at timestamptz not null,
  namespace text not null,
  kind text not null,
  name text not null,
  uid text not null,
  action text not null,
  username text not null,
  origin text,
  detail text,
  -- The fields that the change has made others; null where there was nothing before, or is nothing after.
  before jsonb,
  after jsonb
);
create index audit_of_namespace on audit (namespace, audit_id);
create index audit_by_time on audit (at);
alter table audit enable row level security;
