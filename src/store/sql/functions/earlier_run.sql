-- The newest of its schedule's own runs before a run that got through the site, so no retry of a part, none of a backfill, and
-- none by hand of other sources; null when there is none.
create or replace function earlier_run(this_run run) returns uuid
language sql stable set search_path from current as $$
  select r.run_id from run r
  where r.schedule_uid = this_run.schedule_uid and r.accepted_at < this_run.accepted_at
    and r.outcome in ('Succeeded', 'Partial') and r.trigger not in ('Retry', 'Backfill')
    and not (r.trigger = 'Manual' and leaves_out(r.run_id, this_run.run_id))
  order by r.accepted_at desc limit 1
$$;
