-- Tells lane rows what was queued at them. Locks them in order of id: to be called once in a transaction.
create or replace function queue_at_hosts(arrivals arrival[]) returns void
language plpgsql set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off
set enable_mergejoin = off set plan_cache_mode = force_generic_plan set jit = off as $$
declare
  lanes bigint[] := array(select distinct a.lane_id from unnest(arrivals) a);
begin
  perform from lane l where l.lane_id = any (lanes) order by l.lane_id for no key update;
  update lane l
  set queued = l.queued + added.queued, retries = l.retries + added.retries,
    next_at = least(l.next_at, greatest(added.available_at, (select next_at from host h where h.host_id = l.host_id)))
  from (
    select lane_id, sum(queued) as queued, sum(retries) as retries, min(available_at) as available_at
    from unnest(arrivals) group by lane_id
  ) added
  where l.lane_id = any (lanes) and l.lane_id = added.lane_id;
end $$;
