-- Makes what is missing of these hosts, and of the run's lanes at them: hosts[n] is where a link of the source source_nos[n] leads.
--
-- Locks in order: host by name, lane_key by (host, source).
create or replace function make_lanes(this_run run, hosts text[], source_nos smallint[]) returns void
language plpgsql set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off
set enable_mergejoin = off set plan_cache_mode = force_generic_plan set jit = off set enable_hashjoin = on as $$
declare
  time_now timestamptz := clock_timestamp();
  new_lanes int;
begin
  -- As long as a URL, of which it is a part.
  if exists (select from unnest(hosts) name where length(name) > 2048) then
    raise exception 'a link names a host that is too long' using errcode = 'TR004';
  end if;
  insert into host (scope, name)
  select this_run.host_scope, name from (select distinct unnest(hosts) as name) wanted
  where (select host_id from host h where h.scope = this_run.host_scope and h.name = wanted.name) is null
  order by name
  on conflict do nothing;

  with made as (
    insert into lane_key (run_id, host_id, source_no)
    select this_run.run_id, h.host_id, l.source_no
    from (select distinct host, source_no from unnest(hosts, source_nos) as l(host, source_no)) l
    cross join lateral (select host_id from host where scope = this_run.host_scope and name = l.host offset 0) h
    where (
      select lane_id from lane_key known
      where known.run_id = this_run.run_id and known.host_id = h.host_id and known.source_no = l.source_no) is null
    order by h.host_id, l.source_no
    on conflict do nothing
    returning lane_id, run_id, host_id, source_no
  )
  insert into lane (lane_id, run_id, host_id, source_no) select lane_id, run_id, host_id, source_no from made;
  get diagnostics new_lanes = row_count;
  if new_lanes > 0 then
    -- What is not used for long is dropped: it must not go between the look at the host and the lane that refers to it.
    update host h set used_at = time_now
    where h.scope = this_run.host_scope and h.name = any (hosts) and h.used_at < time_now - interval '1 day';
    if (select count(*) from host h where h.scope = this_run.host_scope and h.name = any (hosts))
      < (select count(distinct name) from unnest(hosts) name) then
      raise exception 'a host was dropped while it was being used again' using errcode = '40001';
    end if;
  end if;
end $$;
