-- Notes links that are nearer to a start URL than the requests that they lead to; links as for discover, after which it
-- is called: what another commit has just put in is seen. Sitemaps count their depth otherwise and have no limit.
create or replace function note_shorter_paths(this_run run, links json) returns void
language plpgsql set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off
set enable_mergejoin = off set plan_cache_mode = force_generic_plan set jit = off set enable_hashjoin = on as $$
begin
  insert into shorter_path (run_id, url_key, depth)
  select this_run.run_id, l.key, l.depth
  from json_to_recordset(links) as l(key uuid, source text, depth smallint, sitemap boolean)
  join source s on s.run_id = this_run.run_id and s.name = l.source and s.active
  cross join lateral (
    select depth, source_no from request r
    where r.run_day = this_run.run_day and r.run_id = this_run.run_id and r.url_key = l.key offset 0) r
  where not coalesce(sitemap, false) and l.depth < r.depth and r.source_no = s.source_no;
end $$;
