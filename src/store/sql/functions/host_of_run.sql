-- The host's row in the run's scope, made when it is not there: for a redirect, say, that leads to a host without a lane.
-- A run may bring in so many in this way, of a name that a URL can have.
create or replace function host_of_run(this_run run, host_name text) returns bigint
language plpgsql set search_path from current as $$
declare
  most_hosts constant int := 10000;
  longest_name constant int := 2048;
  found_id bigint;
begin
  select host_id into found_id from host where scope = this_run.host_scope and name = host_name;
  if not found then
    update run set hosts_made = hosts_made + 1 where run_id = this_run.run_id and hosts_made < most_hosts;
    if not found or length(host_name) > longest_name then
      raise exception 'the run names too many hosts, or one that is too long' using errcode = 'TR004';
    end if;
    insert into host (scope, name) values (this_run.host_scope, host_name) on conflict do nothing;
    select host_id into found_id from host where scope = this_run.host_scope and name = host_name;
  end if;
  return found_id;
end $$;
