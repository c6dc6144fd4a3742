-- Pages whose links were left out by a worker that did not know the run's depth limit of now are read again for them. The run is
-- read anew: the caller may have waited since.
create or replace function note_cut_links(of_run uuid, keys uuid[]) returns void
language plpgsql set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off
set enable_mergejoin = off set plan_cache_mode = force_generic_plan set jit = off as $$
declare
  this_run run;
begin
  select * into this_run from run where run_id = of_run;
  insert into shorter_path (run_id, url_key, depth, reads_again)
  select r.run_id, r.url_key, r.depth, true
  from request r
  where r.run_day = this_run.run_day and r.run_id = this_run.run_id and r.url_key = any (keys)
    and not r.is_sitemap and r.state in ('done', 'skipped', 'dead') and misses_depth(this_run, r.facts);
end $$;
