-- Whether the results of a run are there, and its requests say which items are theirs: those of earlier releases do not.
create or replace function keeps_results(of_run run) returns boolean
language sql stable set search_path from current as $$
  select of_run.has_item_ranges and exists (
    select from day_partitions() p
    where p.first_day <= of_run.run_day and p.next_day > of_run.run_day and not p.is_leaving)
$$;
