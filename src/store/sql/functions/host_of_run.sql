-- The host's row in the run's scope, made when it is not there.
create or replace function host_of_run(this_run run, host_name text) returns bigint
language plpgsql set search_path from current as $$
declare
  found_id bigint;
begin
  select host_id into found_id from host where scope = this_run.host_scope and name = host_name;
  if not found then
    insert into host (scope, name) values (this_run.host_scope, host_name) on conflict do nothing;
    select host_id into found_id from host where scope = this_run.host_scope and name = host_name;
  end if;
  return found_id;
end $$;
