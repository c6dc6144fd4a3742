-- Hands the file back unwritten, so that another worker need not wait for the end of a lease.
create or replace function release_output(token text, held uuid) returns void
language plpgsql security definer set search_path from current as $$
declare
  this_run run := run_of_token(token);
begin
  update output o set writer = null, fence = null where o.run_id = this_run.run_id and o.fence = held;
end $$;
