-- What is known of the host's need for a browser, as JSON; null when nothing is known.
create or replace function read_host_rendering(token text, host_name text) returns json
language plpgsql security definer set search_path from current as $$
declare
  this_run run := run_of_token(token);
begin
  return (
    select json_build_object('browserNeed', r.browser_need,
      'ageMs', floor(extract(epoch from clock_timestamp() - r.checked_at) * 1000))
    from host h join host_rendering r using (host_id)
    where h.scope = this_run.host_scope and h.name = host_name
  );
end $$;
