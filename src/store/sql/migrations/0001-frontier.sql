-- The first schema: runs and their sources, workers and counters, shared hosts, the frontier, items and the audit log.

create type request_state as enum ('queued', 'leased', 'done', 'skipped', 'dead');

-- One execution of a crawl. Limits and politeness are copied out of the spec, so that the frontier reads columns.
create table run (
  run_id uuid primary key,
  run_day date not null,
  namespace text not null,
  name text not null,
  schedule_uid uuid,
  scheduled_time timestamptz,
  trigger text not null,
  host_scope text not null,
  delay_ms double precision not null check (delay_ms >= 0),
  max_pages int not null check (max_pages > 0),
  max_depth int,
  max_retries smallint not null,
  lease_seconds int not null check (lease_seconds > 0),
  -- Set when the page limit comes near: from then on claims of the run go one after another.
  exact_limits boolean not null default false,
  accepted_at timestamptz not null default clock_timestamp(),
  seeded_at timestamptz,
  started_at timestamptz,
  stop_reason text,
  stop_requested_at timestamptz,
  finished_at timestamptz,
  outcome text check (outcome in ('Succeeded', 'Partial', 'Failed', 'Stopped', 'TimedOut')),
  message text,
  check ((finished_at is null) = (outcome is null))
) with (fillfactor = 70);
create index run_live on run (run_id) where finished_at is null;
create index run_finished on run (finished_at) where finished_at is not null;
create index run_schedule on run (schedule_uid, scheduled_time desc) where schedule_uid is not null;
create index run_of_schedule on run (schedule_uid, accepted_at) where schedule_uid is not null;
create index run_by_day on run (run_day);

-- What the user asked for. Apart from run, whose rows are read at each call.
create table run_spec (
  run_id uuid primary key references run on delete cascade,
  version smallint not null,
  spec jsonb not null
);

-- SHA-256 of what the pods of a run hold. Apart from run, because workers may read their run.
create table run_token (
  token_hash bytea primary key check (length(token_hash) = 32),
  run_id uuid not null references run on delete cascade,
  revoked_at timestamptz
);
create index run_token_run on run_token (run_id);

-- A named site of the run. source_no is its place in the spec.
create table source (
  run_id uuid not null references run on delete cascade,
  source_no smallint not null,
  name text not null,
  active boolean not null,
  max_pages int check (max_pages > 0),
  result text check (result in ('Succeeded', 'Partial', 'Failed', 'Stopped', 'Inactive')),
  message text,
  primary key (run_id, source_no),
  unique (run_id, name)
);

-- One crawler pod, as its last heartbeat showed it. lease_until is when its leases expire, null when it has none to lose.
-- claim_epoch is that of the claims which are heard.
create table worker (
  run_id uuid not null references run on delete cascade,
  worker_id uuid not null,
  pod_name text not null default '',
  node_name text not null default '',
  state text not null default 'Initialising',
  first_heartbeat_at timestamptz not null default clock_timestamp(),
  last_heartbeat_at timestamptz not null default clock_timestamp(),
  lease_until timestamptz,
  released_at timestamptz,
  slots int not null default 0,
  claim_epoch int not null default 0,
  pages_in_flight int not null default 0,
  concurrency int not null default 0,
  current_url text,
  idle_ms bigint not null default 0,
  rss_bytes bigint not null default 0,
  errors int not null default 0,
  primary key (run_id, worker_id)
) with (fillfactor = 50);
create index worker_lease on worker (lease_until) where lease_until is not null;

-- What one worker did for one source. A row has one writer, so counting never makes workers wait for each other; the
-- sum over the rows of a run is its progress. The nil UUID stands for the operator.
create table progress (
  run_id uuid not null references run on delete cascade,
  worker_id uuid not null,
  source_no smallint not null,
  discovered bigint not null default 0,
  leased bigint not null default 0,
  -- Places taken in the page limits: by the first claim of a request, given back when it is skipped.
  places bigint not null default 0,
  succeeded bigint not null default 0,
  failed bigint not null default 0,
  skipped bigint not null default 0,
  items bigint not null default 0,
  -- Among those discovered and failed.
  sitemaps bigint not null default 0,
  failed_sitemaps bigint not null default 0,
  last_success_at timestamptz,
  last_error text,
  last_error_at timestamptz,
  skipped_by jsonb not null default '{}',
  failed_by jsonb not null default '{}',
  -- Pages by what became of their items since the schedule last saw them: added, changed, removed, unchanged.
  changes jsonb not null default '{}',
  primary key (run_id, source_no, worker_id)
) with (fillfactor = 50);

-- Politeness of one host, shared by all runs of a scope.
create table host (
  host_id bigint generated always as identity primary key,
  scope text not null,
  name text not null,
  next_at timestamptz not null default '-infinity',
  crawl_delay_ms int not null default 0,
  -- Doubled by each refusal, halved by every tenth page.
  slowdown smallint not null default 1 check (slowdown between 1 and 16),
  good_answers smallint not null default 0,
  -- Tries in a row that failed on the direct way, counted by runs that would take their proxy instead.
  failures int not null default 0,
  proxy_until timestamptz not null default '-infinity',
  unique (scope, name)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0);

-- Hosts that refused pages of a run, for its status. At most 1,000 a run.
create table blocked_host (
  run_id uuid not null references run on delete cascade,
  host_id bigint not null references host on delete cascade,
  blocks int not null default 1,
  evidence text not null,
  first_at timestamptz not null default clock_timestamp(),
  primary key (run_id, host_id)
);

-- Links that sites make up without end, for the run's status. At most 100 a run.
create table spider_trap (
  run_id uuid not null references run on delete cascade,
  pattern text not null check (length(pattern) <= 500),
  kind text not null check (kind in ('RepeatingPath', 'Calendar', 'Combinations')),
  url text not null,
  found_at timestamptz not null default clock_timestamp(),
  primary key (run_id, pattern)
);

-- robots.txt of a host. Apart from host, whose rows are rewritten at each claim.
create table robots (
  host_id bigint primary key references host on delete cascade,
  verdict text not null check (verdict in ('allow', 'disallow', 'rules')),
  body text check (octet_length(body) <= 1048576),
  fetched_at timestamptz not null default clock_timestamp()
);

-- Whether a host's pages need the browser: a moving share, see docs/decisions on render mode Auto. Apart from host for
-- the same reason.
create table host_rendering (
  host_id bigint primary key references host on delete cascade,
  browser_need real not null check (browser_need between 0 and 1),
  checked_at timestamptz not null default clock_timestamp()
);

-- What is queued of a source of a run at a host. next_at is the earliest time at which something may be claimed
-- here, as far as this run knows; the host may say later.
create table run_host (
  run_host_id bigint generated always as identity primary key,
  run_id uuid not null,
  host_id bigint not null,
  source_no smallint not null,
  queued int not null default 0 check (queued >= 0),
  -- Queued requests that hold a place in the page limits already.
  retries int not null default 0 check (retries between 0 and queued),
  next_at timestamptz,
  unique (run_id, host_id, source_no),
  check ((queued = 0) = (next_at is null))
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0);
create index run_host_due on run_host (run_id, next_at) where next_at is not null;

-- What was just queued at a run_host, told by the functions to each other.
create type arrival as (run_host_id bigint, queued int, retries int, available_at timestamptz);

-- The frontier. url_key is the first half of the SHA-256 of the normalised URL: the dedupe set is the primary key.
-- What is queued is ordered by priority, the lower the sooner: the depth, or 0 for what holds a place in the page limits
-- already. Then by available_at: the time of discovery, or of the next try.
create table request (
  run_id uuid not null,
  url_key uuid not null,
  run_host_id bigint not null,
  available_at timestamptz not null,
  lease_token uuid,
  leased_by uuid,
  run_day date not null,
  source_no smallint not null,
  depth smallint not null,
  -- 2 and more for what the page before it in a listing named as its next one.
  listing_page smallint not null default 1 check (listing_page > 0),
  priority smallint not null,
  -- URLs that led here by redirects, null when a link did.
  redirects jsonb,
  attempts smallint not null default 0,
  lease_losses smallint not null default 0,
  -- Tries that ended with the cause Blocked; attempts are all others that failed.
  blocks smallint not null default 0,
  state request_state not null default 'queued',
  -- Only pages keep their place when they end; a sitemap gives it back.
  has_place boolean not null default false,
  is_sitemap boolean not null default false,
  finished_at timestamptz,
  url text not null check (length(url) <= 2048),
  -- SkipReason or FailureCause.
  reason text,
  facts jsonb,
  errors jsonb,
  primary key (run_id, url_key, run_day)
) partition by range (run_day);
create index request_queued on request (run_host_id, has_place, priority, available_at) where state = 'queued';
create index request_leased on request (run_id, leased_by) where state = 'leased';
create index request_dead on request (run_id, finished_at) where state = 'dead';

create sequence item_id_seq as bigint;
create table item (
  run_id uuid not null,
  item_id bigint not null default nextval('item_id_seq'),
  url_key uuid not null,
  created_at timestamptz not null default clock_timestamp(),
  run_day date not null,
  source_no smallint not null,
  data jsonb not null,
  primary key (run_id, item_id, run_day)
) partition by range (run_day);

-- What a schedule knows of a page from the run that saw it last. Items and links only of pages that a server may call
-- unmodified: they stand in for the page then.
create table page (
  schedule_uid uuid not null,
  url_key uuid not null,
  -- accepted_at of the newest run that saw it.
  seen_by timestamptz not null,
  -- Stands for the part of the spec that decides what a page gives.
  plan uuid not null,
  -- Of its items; null when it had none.
  hash uuid,
  etag text check (length(etag) <= 1024),
  last_modified text check (length(last_modified) <= 64),
  items jsonb,
  links jsonb,
  primary key (schedule_uid, url_key),
  check ((items is null) = (links is null)),
  check ((items is null) = (etag is null and last_modified is null))
) with (fillfactor = 70);

-- The file that a run is asked to write. due_at is set when the crawl is over: from then on nothing is crawled, and the
-- run ends when the file is there. It is held by the bearer of the fence as long as its writer gives heartbeats.
create table output (
  run_id uuid primary key references run on delete cascade,
  due_at timestamptz,
  -- How the run ends then; null when its counters tell.
  outcome text,
  message text,
  writer uuid,
  fence uuid,
  settled_at timestamptz,
  path text,
  bytes bigint,
  items bigint,
  sha256 text,
  error text
);

-- Who changed, triggered, stopped, requeued or cleared what.
create table audit_event (
  audit_event_id bigint generated always as identity primary key,
  at timestamptz not null default clock_timestamp(),
  actor text not null,
  action text not null,
  namespace text not null,
  kind text not null,
  name text not null,
  run_id uuid,
  before jsonb,
  after jsonb
);
create index audit_event_at on audit_event (at);
create index audit_event_object on audit_event (namespace, kind, name, at);

-- The workers' login, for the operator alone.
create table worker_login (
  role_name name primary key,
  password text not null,
  created_at timestamptz not null default clock_timestamp()
);

-- Which functions the schema has: they are created again when their checksum changes. Workers are served from
-- oldest_worker on.
create table function_set (
  checksum text not null,
  version int not null,
  oldest_worker int not null check (oldest_worker <= version)
);

-- A worker may read its own run. All it writes goes through functions; to every other table it has no right at all.
alter table run enable row level security;
alter table run_spec enable row level security;
alter table source enable row level security;
alter table request enable row level security;
alter table item enable row level security;
alter table run_token enable row level security;
alter table worker enable row level security;
alter table progress enable row level security;
alter table host enable row level security;
alter table blocked_host enable row level security;
alter table spider_trap enable row level security;
alter table robots enable row level security;
alter table host_rendering enable row level security;
alter table run_host enable row level security;
alter table page enable row level security;
alter table output enable row level security;
alter table audit_event enable row level security;
alter table worker_login enable row level security;

-- The token's run for row-level security; null without a valid token, so that no row is seen.
create or replace function current_run() returns uuid
language sql stable security definer set search_path from current as $$
  select run_id from run_token
  where token_hash = sha256(convert_to(current_setting('trawler.token', true), 'UTF8')) and revoked_at is null
$$;

-- The subselect makes it an initplan: the token is looked up once a statement, not once a row.
create policy own_run on run for select using (run_id = (select current_run()));
create policy own_run on run_spec for select using (run_id = (select current_run()));
create policy own_run on source for select using (run_id = (select current_run()));
create policy own_run on request for select using (run_id = (select current_run()));
create policy own_run on item for select using (run_id = (select current_run()));
