-- Where start URLs of the run have moved to, as JSON: URLs by the names of sources.
create or replace function read_moved_scopes(token text) returns json
language plpgsql security definer set search_path from current as $$
declare
  this_run run := run_of_token(token);
begin
  return (
    select coalesce(json_object_agg(name, urls), '{}') from (
      select s.name, json_agg(m.url order by m.moved_at, m.url) as urls
      from moved_place m join source s using (run_id, source_no)
      where m.run_id = this_run.run_id group by s.name
    ) sources
  );
end $$;
