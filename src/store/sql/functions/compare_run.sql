-- One step of the comparison of a finished run, in a transaction of its own: so many pages at most. False when there is nothing
-- left to be done, or another one is at it. With the last step its counts stand in the run's summary and in what is to be sent.
create or replace function compare_run(of_run uuid, most int) returns boolean
language plpgsql set search_path from current as $$
declare
  this_run run;
  this_step text;
  counts jsonb;
begin
  select step into this_step from comparison where run_id = of_run and finished_at is null for no key update skip locked;
  if not found then
    return false;
  end if;
  select * into this_run from run where run_id = of_run;
  if this_step = 'Begin' then
    perform begin_comparison(of_run);
  elsif this_step = 'Pages' then
    perform compare_pages(this_run, most);
  elsif this_step = 'Moves' then
    perform compare_moves(this_run, most);
  else
    counts := comparison_counts(of_run);
    update execution set compared = counts where execution_id = of_run;
    update notification set payload = payload || jsonb_build_object('compared', counts)
    where run_id = of_run and routed_at is null and counts is not null;
    update comparison set finished_at = clock_timestamp() where run_id = of_run;
    return false;
  end if;
  update comparison set tries = 0, next_at = clock_timestamp() where run_id = of_run;
  return true;
end $$;
