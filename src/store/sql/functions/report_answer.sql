-- A host in trouble has given a page: no more failures in a row, and after ten its spacing is halved.
create or replace function report_answer(token text, host_name text) returns void
language plpgsql security definer set search_path from current as $$
declare
  this_run run := live_run_of_token(token);
begin
  update host set
    slowdown = case when good_answers >= 9 then greatest(slowdown / 2, 1) else slowdown end,
    good_answers = case when good_answers >= 9 then 0 else good_answers + 1 end,
    failures = 0
  where scope = this_run.host_scope and name = host_name and (slowdown > 1 or failures > 0);
end $$;
