-- A start URL of the source has moved: its scope reaches the new place from now on. False when too many have.
-- Sitemaps of the source that have been read, or are being read, are read again: they may name pages of the new place.
-- So are pages that may lead there, see note_left_links; a thousand for each place.
create or replace function move_scope(token text, source_name text, url text) returns boolean
language plpgsql security definer set search_path from current as $$
declare
  this_run run := live_run_of_token(token);
begin
  insert into moved_place (run_id, source_no, url)
  select s.run_id, s.source_no, move_scope.url
  from source s
  where s.run_id = this_run.run_id and s.name = source_name
    and (select count(*) from moved_place m where m.run_id = s.run_id and m.source_no = s.source_no) < 100
  on conflict do nothing;
  if found then
    update run set has_moved = true where run_id = this_run.run_id and not has_moved;
    insert into shorter_path (run_id, url_key, depth, reads_again)
    select r.run_id, r.url_key, r.depth, true
    from request r
    join source s on s.run_id = r.run_id and s.source_no = r.source_no
    where r.run_day = this_run.run_day and r.run_id = this_run.run_id and s.name = source_name
      and r.is_sitemap and r.state in ('leased', 'skipped');
    insert into shorter_path (run_id, url_key, depth, reads_again)
    select r.run_id, r.url_key, r.depth, true
    from request r
    join source s on s.run_id = r.run_id and s.source_no = r.source_no
    where r.run_day = this_run.run_day and r.run_id = this_run.run_id and s.name = source_name
      and not r.is_sitemap and (r.state = 'leased' or (r.state <> 'queued' and r.facts ? 'scopeMoves'))
    order by r.state <> 'leased', r.depth
    limit 1000;
  end if;
  return exists (
    select from moved_place m join source s using (run_id, source_no)
    where s.run_id = this_run.run_id and s.name = source_name and m.url = move_scope.url);
end $$;
