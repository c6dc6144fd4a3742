-- Drops summaries of what ended before a day, so many at most; how many. To be called until that is none.
create or replace function forget_executions(first_kept date, most int) returns int
language plpgsql set search_path from current as $$
declare
  dropped int;
begin
  delete from execution where execution_id in (
    select execution_id from execution where finished_at < first_kept order by finished_at limit most
    for update skip locked);
  get diagnostics dropped = row_count;
  return dropped;
end $$;
