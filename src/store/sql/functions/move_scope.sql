-- A start URL of the source has moved: its scope reaches the new place from now on. False when too many have.
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
  return exists (
    select from moved_place m join source s using (run_id, source_no)
    where s.run_id = this_run.run_id and s.name = source_name and m.url = move_scope.url);
end $$;
