-- Drops a day's partitions; false when a run of it lives. All readers and writers of other days wait while it waits for its
-- lock, so that it gives up soon and is called again.
create or replace function drop_day(day date) returns boolean
language plpgsql set search_path from current set lock_timeout = '3s' as $$
begin
  if exists (select from run where run_day = day and finished_at is null) then
    return false;
  end if;
  delete from lane where run_id in (select run_id from run where run_day = day);
  execute format('drop table %I, %I', 'request_' || to_char(day, 'YYYYMMDD'), 'item_' || to_char(day, 'YYYYMMDD'));
  return true;
end $$;
