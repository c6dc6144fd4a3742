-- Claims of a run hold this lock shared while its page limit is far, and alone when it is near or when the run is being
-- ended: whoever holds it alone sees every claim that was ever made.
create or replace function claim_lock(run_id uuid) returns bigint
language sql immutable as $$
  select hashtextextended('trawler claims ' || run_id, 0)
$$;
