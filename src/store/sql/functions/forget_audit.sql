-- Drops what was done before a day, so many entries at most; how many. To be called until that is none.
create or replace function forget_audit(first_kept date, most int) returns int
language plpgsql set search_path from current as $$
declare
  dropped int;
begin
  delete from audit where audit_id in (
    select audit_id from audit where at < first_kept order by at limit most for update skip locked);
  get diagnostics dropped = row_count;
  return dropped;
end $$;
