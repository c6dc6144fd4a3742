-- Forgets the runs of days that were dropped, and what was learnt of pages and hosts and not looked at for as long. The
-- run of a schedule's newest slot stays for a year more: it remembers that the slot had its run.
create or replace function forget_before(first_kept date, kept date[]) returns void
language plpgsql set search_path from current as $$
begin
  delete from run r
  where run_day < first_kept and run_day <> all (kept) and finished_at is not null and (
    run_day < first_kept - 366 or schedule_uid is null or scheduled_time is null
      or trigger not in ('Schedule', 'CatchUp') or exists (
      select from run newer where newer.schedule_uid = r.schedule_uid and newer.scheduled_time > r.scheduled_time
        and newer.trigger in ('Schedule', 'CatchUp')));
  -- A schedule without runs may be a rare one, or it was deleted.
  delete from page p
  where p.seen_by < clock_timestamp() - interval '90 days'
    and not exists (select from run where run.schedule_uid = p.schedule_uid and run.run_day >= first_kept);
  delete from robots where fetched_at < first_kept;
  delete from host_rendering where checked_at < first_kept;
end $$;
