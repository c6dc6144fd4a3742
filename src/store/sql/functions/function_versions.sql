-- What the database has. Its name and answer never change: every worker asks it first.
create or replace function function_versions() returns json
language sql stable security definer set search_path from current as $$
  select json_build_object('version', version, 'oldestWorker', oldest_worker) from function_set
$$;
