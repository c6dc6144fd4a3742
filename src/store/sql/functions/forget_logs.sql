-- Drops parts of logs that were stored before a day, so many at most, and what is known of runs that have none left; how many
-- parts. To be called until that is none.
create or replace function forget_logs(first_kept date, most int) returns int
language plpgsql set search_path from current as $$
declare
  dropped int;
begin
  delete from run_log where log_id in (
    select log_id from run_log where stored_at < first_kept order by stored_at limit most for update skip locked);
  get diagnostics dropped = row_count;
  if dropped = 0 then
    delete from run_log_total where stored_at < first_kept;
  end if;
  return dropped;
end $$;
