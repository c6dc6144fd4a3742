-- Dead letters of a run that a person asks for, the oldest first, at most bound of them, or all where that is null. wanted is
-- JSON: {cause, source, host, url}, each of which may be missing; a url that ends with * is the beginning of one. Behind
-- (after_at, after_key), and none that died after until, where these are given.
create or replace function wanted_dead_letters(
  of_run uuid, wanted jsonb, after_at timestamptz, after_key uuid, until timestamptz, bound int) returns setof request
language plpgsql stable set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off
set enable_mergejoin = off set plan_cache_mode = force_generic_plan set jit = off as $$
declare
  of_cause constant text := wanted->>'cause';
  of_url constant text := wanted->>'url';
  of_host constant text := wanted->>'host';
  of_day constant date := (select run_day from run where run_id = of_run);
  of_source constant smallint := (select source_no from source where run_id = of_run and name = wanted->>'source');
begin
  return query
    select r.* from request r
    where r.run_day = of_day and r.run_id = of_run and r.state = 'dead'
      and (of_cause is null or coalesce(r.reason, 'LeaseExpired') = of_cause)
      and (wanted->>'source' is null or r.source_no = of_source)
      and (of_url is null or case when of_url like '%*' then starts_with(r.url, left(of_url, -1)) else r.url = of_url end)
      and (of_host is null or (select h.name from lane l join host h using (host_id) where l.lane_id = r.lane_id) = of_host)
      and r.finished_at between coalesce(after_at, '-infinity') and coalesce(until, 'infinity')
      and (after_at is null or (r.finished_at, r.url_key) > (after_at, after_key))
    order by r.finished_at, r.url_key limit bound;
end $$;
