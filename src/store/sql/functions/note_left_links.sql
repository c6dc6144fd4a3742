-- Pages whose links were judged before all of the moves that are known here, and that have links to which a move may have
-- brought the scope (facts.scopeMoves: the number of moves that the worker knew), are read again for them.
create or replace function note_left_links(this_run run, keys uuid[]) returns void
language plpgsql set search_path from current as $$
begin
  insert into shorter_path (run_id, url_key, depth, reads_again)
  select r.run_id, r.url_key, r.depth, true
  from request r
  where r.run_day = this_run.run_day and r.run_id = this_run.run_id and r.url_key = any (keys)
    and not r.is_sitemap and r.state in ('done', 'skipped', 'dead') and misses_moves(r.run_id, r.source_no, r.facts);
end $$;
