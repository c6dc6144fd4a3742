-- Keeps the summary of a run that has just ended, in the transaction that ends it. It is made of counters and of the first
-- items by their key: what it costs depends on workers and sources, and not on the requests of the run.
create or replace function record_execution(of_run uuid) returns void
language plpgsql set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off
set enable_mergejoin = off set plan_cache_mode = force_generic_plan set jit = off as $$
begin
  insert into execution (execution_id, type, namespace, name, schedule_uid, schedule_name, trigger, scheduled_time, image,
    accepted_at, started_at, finished_at, outcome, reason, message, succeeded, failed, skipped, open, items, bytes,
    failed_by, skipped_by, changes, sources, first_items)
  select r.run_id, 'Crawl', r.namespace, r.name, r.schedule_uid,
    (select left(spec->>'scheduleName', 253) from run_spec where run_id = of_run), r.trigger, r.scheduled_time, r.image,
    r.accepted_at, r.started_at, r.finished_at, r.outcome, left(r.stop_reason, 100), left(r.message, 1000),
    c.succeeded, c.failed, c.skipped, c.open, c.items, c.bytes,
    most_counts(array(select failed_by from progress where run_id = of_run and failed_by <> '{}')),
    most_counts(array(select skipped_by from progress where run_id = of_run and skipped_by <> '{}')),
    case when r.schedule_uid is not null then
      nullif(most_counts(array(select changes from progress where run_id = of_run and changes <> '{}')), '{}') end,
    c.sources, first_items(r)
  from run r cross join lateral (
    select coalesce(sum(s.succeeded), 0) as succeeded, coalesce(sum(s.failed), 0) as failed,
      coalesce(sum(s.skipped), 0) as skipped, coalesce(sum(s.open), 0) as open, coalesce(sum(s.items), 0) as items,
      coalesce(sum(s.bytes), 0) as bytes,
      coalesce(jsonb_agg(jsonb_build_object('name', s.name, 'result', s.result, 'message', left(s.message, 300),
        'succeeded', s.succeeded, 'failed', s.failed, 'skipped', s.skipped, 'items', s.items, 'bytes', s.bytes)
        order by s.source_no) filter (where s.place <= 100), '[]') as sources
    from (
      select s.source_no, s.name, s.result, s.message, row_number() over (order by s.source_no) as place,
        coalesce(sum(p.succeeded), 0) as succeeded, coalesce(sum(p.failed), 0) as failed,
        coalesce(sum(p.skipped), 0) as skipped,
        coalesce(sum(p.discovered - p.succeeded - p.failed - p.skipped), 0) as open,
        coalesce(sum(p.items), 0) as items, coalesce(sum(p.bytes), 0) as bytes
      from source s left join progress p on p.run_id = s.run_id and p.source_no = s.source_no
      where s.run_id = of_run group by s.source_no, s.name, s.result, s.message
    ) s
  ) c
  where r.run_id = of_run
  on conflict (execution_id) do nothing;
end $$;
