-- A host that had failed has answered: all runs of the scope ask it as before, and at once. Its next time stays where the
-- host itself asked for patience.
--
-- Locks in order: host, lane by id.
create or replace function report_reachable(token text, host_name text) returns void
language plpgsql security definer set search_path from current as $$
declare
  this_run run := live_run_of_token(token);
  h host;
  time_now timestamptz;
  lanes bigint[];
begin
  select * into h from host where scope = this_run.host_scope and name = host_name for no key update;
  if not found or h.outage_failures = 0 then
    return;
  end if;
  time_now := clock_timestamp();
  h.next_at := case when h.next_at <= time_now + h.outage_ms * interval '1 ms' then least(h.next_at, time_now)
    else h.next_at end;
  update host set outage_failures = 0, outage_ms = 0, outage_at = null, outage_message = null, next_at = h.next_at
  where host_id = h.host_id;
  if outage_state(h.outage_failures) not in ('Parked', 'Down') then
    return;
  end if;
  lanes := array(
    select l.lane_id from run r join lane l using (run_id)
    where r.finished_at is null and r.host_scope = this_run.host_scope and l.host_id = h.host_id
      and l.next_at is not null
    order by l.lane_id for no key update of l);
  delete from unreachable_host u using run r
  where u.host_id = h.host_id and u.run_id = r.run_id and r.finished_at is null;
  update lane l set next_at = least(l.next_at, greatest(h.next_at, time_now)) where l.lane_id = any (lanes) and l.next_at is not null;
end $$;
