-- What a page of the run's schedule had given when it was seen last, as JSON; null when that was not kept.
create or replace function recall_page(token text, key uuid) returns json
language plpgsql security definer set search_path from current as $$
declare
  this_run run := live_run_of_token(token);
begin
  return (
    select json_build_object(
      'plan', plan, 'etag', etag, 'lastModified', last_modified, 'items', items, 'links', links)
    from page where schedule_uid = this_run.schedule_uid and url_key = key and items is not null
  );
end $$;
