-- Every live run of the scope with something queued at the host gives it up; give_up_requests does the rest of it. Their
-- lanes are not looked at by claims for a day. The caller holds the host's lock.
create or replace function give_up_host(of_scope text, given_up bigint, message text) returns void
language plpgsql set search_path from current as $$
declare
  lanes bigint[];
begin
  lanes := array(
    select l.lane_id from run r join lane l using (run_id)
    where r.finished_at is null and r.host_scope = of_scope and l.host_id = given_up
    order by l.lane_id for no key update of l);
  insert into unreachable_host (run_id, host_id, message)
  select distinct l.run_id, given_up, give_up_host.message from lane l where l.lane_id = any (lanes)
  order by 1
  on conflict do nothing;
  update lane l set next_at = clock_timestamp() + interval '1 day'
  where l.lane_id = any (lanes) and l.next_at is not null;
end $$;
