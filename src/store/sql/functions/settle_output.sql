-- What became of the file, and with it the end of the run: result is JSON {path, bytes, items, sha256} or {error}. False
-- when the lease is lost and nothing was changed; true when the run is finished, by this call or before. A run whose
-- file cannot be written has failed. Locks in order: run, output.
create or replace function settle_output(token text, held uuid, result json) returns boolean
language plpgsql security definer set search_path from current as $$
declare
  this_run run := run_of_token(token);
  file output;
begin
  select * into this_run from run where run_id = this_run.run_id for no key update;
  if this_run.finished_at is not null then
    return true;
  end if;
  update output o set settled_at = clock_timestamp(), path = result->>'path', bytes = (result->>'bytes')::bigint,
    items = (result->>'items')::bigint, sha256 = result->>'sha256', error = left(result->>'error', 1000)
  where o.run_id = this_run.run_id and o.fence = held
  returning * into file;
  if not found then
    return false;
  end if;
  if file.error is null then
    perform end_run(this_run, file.outcome, file.message);
  else
    perform end_run(this_run, case when file.outcome = 'TimedOut' then 'TimedOut' else 'Failed' end,
      concat_ws('; ', file.message, 'the output was not written: ' || file.error));
  end if;
  return true;
end $$;
