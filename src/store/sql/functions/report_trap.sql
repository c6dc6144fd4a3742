-- Keeps a spider trap for the run's status, the first that is told of a pattern; of more than 100 a run keeps none.
create or replace function report_trap(token text, kind text, pattern text, url text) returns void
language plpgsql security definer set search_path from current as $$
declare
  this_run run := live_run_of_token(token);
begin
  insert into spider_trap (run_id, pattern, kind, url)
  select this_run.run_id, left(report_trap.pattern, 500), report_trap.kind, left(report_trap.url, 2048)
  where (select count(*) from spider_trap t where t.run_id = this_run.run_id) < 100
  on conflict do nothing;
end $$;
