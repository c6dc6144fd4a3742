-- A host refused a page of the run: its spacing doubles, up to 16 times, for every run of the scope, and the run keeps
-- what it saw. Once the host is told of, its message stays; of more than 1,000 hosts a run keeps none.
--
-- Locks in order: host, blocked_host, notification.
create or replace function report_block(token text, host_name text, evidence text) returns void
language plpgsql security definer set search_path from current as $$
declare
  this_run run := live_run_of_token(token);
  id bigint := host_of_run(this_run, host_name);
begin
  update host set slowdown = least(slowdown * 2, 16), good_answers = 0 where host_id = id;
  insert into blocked_host as b (run_id, host_id, evidence)
  select this_run.run_id, id, left(report_block.evidence, 500)
  where (select count(*) from blocked_host where run_id = this_run.run_id) < 1000
  on conflict (run_id, host_id) do update set blocks = b.blocks + 1;
  perform note_block(this_run, host_name, evidence);
end $$;
