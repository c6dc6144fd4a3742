-- Whether the crawl is over and only the run's file is to be written.
create or replace function output_is_due(of_run uuid) returns boolean
language sql stable set search_path from current as $$
  select exists (select from output where run_id = of_run and due_at is not null and settled_at is null)
$$;
