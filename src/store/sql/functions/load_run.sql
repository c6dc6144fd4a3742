-- The token's run as JSON, for a worker that begins, or whose spec was edited: {runId, namespace, name, specVersion, spec,
-- liveVersion, isScheduled, startedAt}.
create or replace function load_run(token text) returns json
language plpgsql stable security definer set search_path from current as $$
declare
  this_run run := run_of_token(token);
begin
  return (
    select json_build_object('runId', this_run.run_id, 'namespace', this_run.namespace, 'name', this_run.name,
      'specVersion', version, 'spec', spec, 'isScheduled', this_run.schedule_uid is not null,
      'startedAt', this_run.started_at, 'liveVersion', this_run.live_version)
    from run_spec where run_id = this_run.run_id
  );
end $$;
