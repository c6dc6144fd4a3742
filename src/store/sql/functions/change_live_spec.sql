-- Puts in force what workers and claims read of an edited spec, in one transaction: the spec, the depth limit, the number of the
-- change, and the review of what the run knows already. is_for_workers: workers have to read the spec again. For the operator.
--
-- Locks in order: queue_review, run.
create or replace function change_live_spec(
  of_run uuid, new_spec jsonb, new_max_depth int, is_for_workers boolean, wants_review boolean) returns void
language plpgsql set search_path from current as $$
begin
  update run_spec set spec = new_spec where run_id = of_run;
  if wants_review then
    insert into queue_review as q (run_id, live_version)
    select run_id, live_version + 1 from run where run_id = of_run and finished_at is null
    on conflict (run_id) do update set live_version = excluded.live_version, reviewed_to = null;
  end if;
  update run set max_depth = new_max_depth, is_depth_limited = is_depth_limited or new_max_depth is not null,
    live_version = live_version + is_for_workers::int
  where run_id = of_run and finished_at is null;
end $$;
