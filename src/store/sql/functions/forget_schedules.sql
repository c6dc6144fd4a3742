-- Drops what is known of the pages of a schedule that had no run for 90 days, so many at most; how many. It may be a rare
-- one, or it was deleted. Goes from schedule to schedule in the index: the pages of the others are not read.
create or replace function forget_schedules(first_kept date, most int) returns int
language plpgsql set search_path from current as $$
declare
  long_ago constant date := least(first_kept, current_date - 90);
  schedule uuid;
  dropped int := 0;
begin
  loop
    select p.schedule_uid into schedule from page p
    where schedule is null or p.schedule_uid > schedule order by p.schedule_uid limit 1;
    exit when not found;
    continue when exists (
      select from run r where r.schedule_uid = schedule and r.accepted_at >= long_ago);
    delete from page where schedule_uid = schedule and url_key in (
      select url_key from page where schedule_uid = schedule limit most);
    get diagnostics dropped = row_count;
    exit;
  end loop;
  return dropped;
end $$;
