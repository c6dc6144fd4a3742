-- Calls of one worker that count what it does go one after another, whichever connections they come by: its rows of
-- progress have one writer. Taken before any other lock, and held to the end of the transaction.
create or replace function take_turn(this_run run, this_worker uuid) returns void
language sql as $$
  select pg_advisory_xact_lock(hashtextextended('trawler worker ' || this_run.run_id || this_worker, 0))
$$;
