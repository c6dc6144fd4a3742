-- Whether the fence is that of the last lease, and the file not settled.
create or replace function holds_output(of_run uuid, held uuid) returns boolean
language sql stable set search_path from current as $$
  select exists (select from output where run_id = of_run and fence = held and settled_at is null)
$$;
