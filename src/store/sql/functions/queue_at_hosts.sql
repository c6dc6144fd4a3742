-- Tells run_host rows what was queued at them. Locks them in order of id: to be called once in a transaction.
create or replace function queue_at_hosts(arrivals arrival[]) returns void
language plpgsql set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off
set enable_mergejoin = off set plan_cache_mode = force_generic_plan set jit = off as $$
declare
  lanes bigint[] := array(select distinct a.run_host_id from unnest(arrivals) a);
begin
  perform from run_host l where l.run_host_id = any (lanes) order by l.run_host_id for no key update;
  update run_host l
  set queued = l.queued + added.queued, retries = l.retries + added.retries,
    next_at = least(l.next_at, greatest(added.available_at, (select next_at from host h where h.host_id = l.host_id)))
  from (
    select run_host_id, sum(queued) as queued, sum(retries) as retries, min(available_at) as available_at
    from unnest(arrivals) group by run_host_id
  ) added
  where l.run_host_id = any (lanes) and l.run_host_id = added.run_host_id;
end $$;
