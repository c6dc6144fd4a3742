-- Whose token it is, for the gateway: {runId, namespace, workers, schedule}, by which it divides its connections among
-- namespaces and runs, bounds what one run may ask, and names what it counts. A run of no schedule has null.
create or replace function run_of_gateway(token text) returns json
language plpgsql stable security definer set search_path from current as $$
declare
  this_run run := run_of_token(token);
begin
  return (
    select json_build_object('runId', this_run.run_id, 'namespace', this_run.namespace,
      'workers', coalesce((spec->>'workers')::int, 1), 'schedule', spec->>'scheduleName')
    from run_spec where run_id = this_run.run_id
  );
end $$;
