-- Gives requests the depth of the shorter paths that were found to them, at most bound requests a call. Returns
-- whether it has locked any lanes: then the caller's transaction has to end, since it must not wait for anything else.
-- What is queued only changes its priority. A page that was read is queued once more, for its links: some may have been
-- left out, and all are nearer now. So is a sitemap, or a page with links to where the scope has moved, see move_scope, or with such as were too
-- deep for the limit of then; and what was skipped for its depth, or as excluded, is queued.
-- What is leased waits until it ends, and so does what is in a lane that another claim has locked. See
-- docs/decisions/0043-depth.md.
--
-- Locks in order: shorter paths of the run (advisory, or nothing is done), lane (skipping locked ones), request, progress,
-- lane (held already). A queued or ended request of a locked lane is changed by nobody else.
create or replace function take_shorter_paths(this_run run, this_worker uuid, bound int) returns boolean
language plpgsql set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off
set enable_mergejoin = off set plan_cache_mode = force_generic_plan set jit = off as $$
declare
  time_now timestamptz := clock_timestamp();
  keys uuid[];
  lanes bigint[];
  ready uuid[];
  arrivals arrival[];
begin
  if not exists (select from shorter_path w where w.run_id = this_run.run_id)
    or not pg_try_advisory_xact_lock(hashtextextended('trawler shorter paths ' || this_run.run_id, 0)) then
    return false;
  end if;
  select array_agg(distinct url_key) into keys from (
    select w.url_key from shorter_path w
    left join lateral (
      select state from request r
      where r.run_day = this_run.run_day and r.run_id = w.run_id and r.url_key = w.url_key offset 0) r on true
    where w.run_id = this_run.run_id and r.state is distinct from 'leased'
    limit bound
  ) ended;
  select array_agg(lane_id) into lanes from (
    select l.lane_id from lane l
    where l.lane_id = any (array(
      select distinct r.lane_id from request r
      where r.run_day = this_run.run_day and r.run_id = this_run.run_id and r.url_key = any (keys)))
    order by l.lane_id for no key update skip locked
  ) locked;

  -- Those that nobody else changes as long as their lanes are locked.
  ready := array(
    select k.key from unnest(keys) k(key)
    left join lateral (
      select state, lane_id from request r
      where r.run_day = this_run.run_day and r.run_id = this_run.run_id and r.url_key = k.key limit 1) r on true
    where r.state is null or (r.state <> 'leased' and r.lane_id = any (lanes)));

  with taken as (
    delete from shorter_path where run_id = this_run.run_id and url_key = any (ready)
    returning url_key, depth, reads_again
  ), nearer as materialized (
    select r.run_id, r.url_key, r.source_no, r.state, r.reason, r.has_place, least(w.depth, r.depth) as depth,
      -- All that may have given links.
      r.state = 'done' or (r.state = 'skipped' and r.reason in ('Redirected', 'Canonical', 'NoIndex'))
        or (r.state = 'dead' and r.reason in ('MissingField', 'ExtractionError', 'ScreenshotError'))
        -- Excluded: an edit may have taken that back while it was too deep. If not, whoever claims it skips it again.
        or (r.state = 'skipped' and (w.reads_again or r.reason in ('MaxDepth', 'Excluded'))) as is_read_again
    from (
      select url_key, min(depth) as depth, bool_or(reads_again) as reads_again from taken
      group by url_key offset 0) w
    cross join lateral (
      select * from request r
      where r.run_day = this_run.run_day and r.run_id = this_run.run_id and r.url_key = w.url_key limit 1) r
    where r.depth > w.depth or (w.reads_again and (r.is_sitemap or misses_moves(r.run_id, r.source_no, r.facts)
      or misses_depth(this_run, r.facts)))
  ), moved as (
    update request r
    set depth = n.depth,
      priority = case when n.has_place then r.priority else n.depth end,
      was_read = r.was_read or n.state = 'done',
      state = case when n.is_read_again then 'queued' else r.state end,
      attempts = case when n.is_read_again then 0 else r.attempts end,
      blocks = case when n.is_read_again then 0 else r.blocks end,
      reason = case when n.is_read_again then null else r.reason end,
      finished_at = case when n.is_read_again then null else r.finished_at end,
      available_at = case when n.is_read_again then time_now else r.available_at end
    from nearer n
    where (r.run_day = this_run.run_day or r.run_day is null) and r.run_id = n.run_id and r.url_key = n.url_key
    returning r.lane_id, r.source_no, r.has_place, r.priority, r.available_at, n.is_read_again, n.state as state_before,
      n.reason as reason_before
  ), counted as (
    insert into progress as p (run_id, worker_id, source_no, succeeded, failed, skipped, failed_by, skipped_by)
    select this_run.run_id, this_worker, source_no, -count(*) filter (where state_before = 'done'),
      -count(*) filter (where state_before = 'dead'), -count(*) filter (where state_before = 'skipped'),
      (select coalesce(jsonb_object_agg(reason_before, -n), '{}') from (
        select reason_before, count(*) as n from moved m
        where m.is_read_again and m.source_no = moved.source_no and m.state_before = 'dead' group by 1) c),
      (select coalesce(jsonb_object_agg(reason_before, -n), '{}') from (
        select reason_before, count(*) as n from moved m
        where m.is_read_again and m.source_no = moved.source_no and m.state_before = 'skipped' group by 1) c)
    from moved where is_read_again group by source_no order by source_no
    on conflict (run_id, worker_id, source_no) do update set
      succeeded = p.succeeded + excluded.succeeded, failed = p.failed + excluded.failed,
      skipped = p.skipped + excluded.skipped, failed_by = add_counts(p.failed_by, excluded.failed_by),
      skipped_by = add_counts(p.skipped_by, excluded.skipped_by)
  )
  -- What is queued already arrives at another place in the queue.
  select array_agg((lane_id, is_read_again::int, (is_read_again and has_place)::int, available_at, priority)::arrival)
    filter (where is_read_again or (state_before = 'queued' and not has_place))
  into arrivals from moved;

  if arrivals is not null then
    perform queue_at_hosts(arrivals);
  end if;
  return lanes is not null;
end $$;
