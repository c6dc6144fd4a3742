-- Finds the run that a finished one is compared with: the results of both have to be kept. What the run
-- did not come across is gone if it looked everywhere: no limit cut it, no source was left out, and no page could not be read.
create or replace function begin_comparison(of_run uuid) returns void
language plpgsql set search_path from current as $$
declare
  -- The fields of a spec that do not change what a page gives: OPERATIONAL of the crawler's page memory, but for the sources.
  operational constant text[] := array['limits', 'workers', 'concurrency', 'heartbeat', 'priority', 'queue', 'timeoutSeconds',
    'backoffLimit', 'ttlSecondsAfterFinished', 'pod', 'image', 'scheduleName', 'trigger', 'shutdown'];
  most_looked_at constant int := 10000;
  this_run run;
  found uuid;
  was_cut boolean;
  were_unreadable boolean;
begin
  select * into this_run from run where run_id = of_run;
  found := earlier_run(this_run);
  if found is not null and not (keeps_results(this_run)
    and (select keeps_results(earlier) from run earlier where earlier.run_id = found)) then
    found := null;
  end if;
  select coalesce(bool_or(skipped_by ? 'MaxPages'), false) into was_cut from progress where run_id = of_run;
  select count(*) = most_looked_at or coalesce(bool_or(status is null or status not in ('404', '410')), false)
  into were_unreadable from (
    select facts->>'status' as status from request
    where run_day = this_run.run_day and run_id = of_run and state = 'dead' limit most_looked_at) dead;
  update comparison c set earlier_run = found, step = case when found is null then 'End' else 'Pages' end,
    looked_everywhere = not was_cut and not were_unreadable and not coalesce(leaves_out(of_run, found), false),
    spec_changed = coalesce((select spec - operational from run_spec where run_id = of_run)
      <> (select spec - operational from run_spec where run_id = found), false)
  where c.run_id = of_run;
end $$;
