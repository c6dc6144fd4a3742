-- Lanes get their name; hosts are shared fairly between runs; what a migration may drop carries a label.

-- A lane is what a run has waiting at one host for one source.
alter table run_host rename to lane;
alter table lane rename column run_host_id to lane_id;
alter table request rename column run_host_id to lane_id;
alter type arrival rename attribute run_host_id to lane_id;
alter index run_host_due rename to lane_due;
-- Infinite for a lane that waits for room in a page limit.
create index lane_parked on lane (run_id) where next_at = 'infinity';

-- Whose turn was the last, and until when the host counts as shared by several runs.
alter table host add column last_run uuid;
alter table host add column shared_until timestamptz not null default '-infinity';

-- A run's part of a host that several runs ask. Written under the lock of the host's row.
create table host_share (
  host_id bigint not null references host on delete cascade,
  run_id uuid not null references run on delete cascade,
  -- Its own pace, in milliseconds between two documents, and its pace beside the others.
  delay_ms double precision not null,
  fair_ms double precision not null,
  weight real not null check (weight > 0),
  -- When its next turn is due by its share, and by its own pace.
  next_at timestamptz not null,
  paced_at timestamptz not null default '-infinity',
  -- Until then the others leave room for it.
  active_until timestamptz not null,
  primary key (host_id, run_id)
) with (fillfactor = 50);
create index host_share_run on host_share (run_id);
alter table host_share enable row level security;

alter table run add column share_weight real not null default 1 check (share_weight > 0);
-- Hosts that a run brought in otherwise than by links, see host_of_run.
alter table run add column hosts_made int not null default 0;

-- How many more places a worker may take before it adds up the page limits again, and until when.
alter table worker add column places_granted int not null default 0;
alter table worker add column granted_until timestamptz not null default '-infinity';

-- Since when its heartbeats have come without a break of a lease's length: it can tell a lost worker from a lost database.
alter table worker add column steady_since timestamptz not null default clock_timestamp();

-- When a run last found a link to it, to the day; and whether a run has lanes that may be dropped.
alter table host add column used_at timestamptz not null default clock_timestamp();
alter table run add column has_lanes boolean not null default true;
create index run_with_lanes on run (finished_at) where has_lanes and finished_at is not null;

-- What the parts of a claim tell each other: the room in the page limits, and the requests that were picked.
create type page_room as (run_left bigint, source_left bigint[], full_sources smallint[]);
create type host_turns as (host_id bigint, spacing_ms double precision, not_before timestamptz, turns int);
create type pick as (
  run_id uuid, url_key uuid, lane_id bigint, host_id bigint, source_no smallint, has_place boolean, turn timestamptz,
  last_turn timestamptz, delay interval);

-- The release that made the functions: with the same version, that of a later release stays.
alter table function_set add column release text not null default '0.0.0';

-- Functions of ours from before there were labels. Those of an extension in the same schema are not ours.
do $$
declare
  ours regprocedure;
begin
  for ours in
    select oid::regprocedure from pg_proc
    where pronamespace = current_schema()::regnamespace and prokind = 'f'
      and proname = any (string_to_array('add_counts add_links add_seeds all_sources_blocked begin_claim_epoch '
        'claim_lock claim_requests close_crawl commit_outcomes current_run defer_host discover drop_day end_run '
        'enlist_worker ensure_day expired_days finish_run forget_before forget_pages function_versions head_start '
        'holds_output host_of_run host_spacing last_send learn_host_rendering lease_output live_run_of_token '
        'output_fields output_is_due output_items queue_at_hosts read_host_rendering read_outcomes read_robots '
        'reap_leases recall_page release_output release_worker remember_pages report_answer report_block '
        'report_failure report_trap reserve_host rest_of_run retry_in_ms return_leases run_of_token '
        'seed_dead_letters seed_frontier settle_output skip_beyond_limits stop_run write_heartbeat write_robots', ' '))
      and not exists (select from pg_depend where objid = pg_proc.oid and deptype = 'e')
  loop
    execute format('comment on function %s is %L', ours, 'trawler: made and dropped by its migrations');
  end loop;
end $$;
