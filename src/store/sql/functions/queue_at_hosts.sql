-- Tells lane rows what was queued at them, and so how far to the front. Locks them in order of id: to be called once in a
-- transaction. An arrival is of requests that all hold a place (retries), or of such as all hold none; priority is their least
-- one and available_at their earliest one. Of none it only says that what is queued there has moved.
create or replace function queue_at_hosts(arrivals arrival[]) returns void
language plpgsql set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off
set enable_mergejoin = off set plan_cache_mode = force_generic_plan set jit = off as $$
declare
  lanes bigint[];
begin
  -- One alone is locked by its update, and there is nothing to add up.
  if cardinality(arrivals) = 1 and arrivals[1].queued > 0 and arrivals[1].retries = 0 then
    update lane l
    set queued = l.queued + arrivals[1].queued,
      next_at = least(l.next_at, greatest(arrivals[1].available_at, (select next_at from host h where h.host_id = l.host_id))),
      front_priority = least(l.front_priority, coalesce(arrivals[1].priority, 0)),
      front_from = case
        when coalesce(arrivals[1].priority, 0) < l.front_priority then arrivals[1].available_at
        when coalesce(arrivals[1].priority, 0) = l.front_priority then least(l.front_from, arrivals[1].available_at)
        else l.front_from end
    where l.lane_id = arrivals[1].lane_id;
    return;
  end if;
  lanes := array(select distinct a.lane_id from unnest(arrivals) a);
  perform from lane l where l.lane_id = any (lanes) order by l.lane_id for no key update;
  update lane l
  set queued = l.queued + added.queued, retries = l.retries + added.retries,
    next_at = case when added.due_at is null then l.next_at else
      least(l.next_at, greatest(added.due_at, (select next_at from host h where h.host_id = l.host_id))) end,
    retries_from = least(l.retries_from, added.retries_from),
    front_priority = least(l.front_priority, added.front_priority),
    front_from = case
      when added.front_priority < l.front_priority then added.front_from
      when added.front_priority = l.front_priority then least(l.front_from, added.front_from)
      else l.front_from end
  from (
    select lane_id, sum(queued) as queued, sum(retries) as retries, min(available_at) filter (where queued > 0) as due_at,
      min(available_at) filter (where retries > 0) as retries_from,
      min(coalesce(priority, 0)) filter (where retries = 0) as front_priority,
      min(available_at) filter (where retries = 0) as front_from
    from unnest(arrivals) group by lane_id
  ) added
  where l.lane_id = any (lanes) and l.lane_id = added.lane_id;
end $$;
