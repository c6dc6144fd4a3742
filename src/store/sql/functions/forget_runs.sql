-- Drops runs of days that were dropped, so many at most; how many. The run of a schedule's newest slot stays for a year
-- more: it remembers that the slot had its run.
create or replace function forget_runs(first_kept date, kept date[], most int) returns int
language plpgsql set search_path from current as $$
declare
  dropped int;
begin
  delete from run where run_id in (
    select r.run_id from run r
    where r.run_day < first_kept and r.run_day <> all (kept) and r.finished_at is not null and not r.has_lanes
      and not exists (select from day_partitions() p where r.run_day >= p.first_day and r.run_day < p.next_day)
      and (r.run_day < first_kept - 366 or r.schedule_uid is null or r.scheduled_time is null
        or r.trigger not in ('Schedule', 'CatchUp') or exists (
          select from run newer
          where newer.schedule_uid = r.schedule_uid and newer.scheduled_time > r.scheduled_time
            and newer.trigger in ('Schedule', 'CatchUp')))
    order by r.run_day limit most);
  get diagnostics dropped = row_count;
  return dropped;
end $$;
