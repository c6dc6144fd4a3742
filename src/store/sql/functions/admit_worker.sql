-- Refuses a worker more than a run can have in good faith, by its spec. Over its whole life (TR004): a row of its own for each
-- pod that ever worked for it. At once (53300, which may pass): pods that come before those that go have been released.
create or replace function admit_worker(this_run run, this_worker uuid) returns void
language plpgsql set search_path from current as $$
declare
  workers int;
  ever int;
  live int;
begin
  if exists (select from worker w where w.run_id = this_run.run_id and w.worker_id = this_worker) then
    return;
  end if;
  select coalesce((spec->>'workers')::int, 1) into workers from run_spec s where s.run_id = this_run.run_id;
  select count(*), count(*) filter (where w.released_at is null and w.lease_until > clock_timestamp()) into ever, live
  from worker w where w.run_id = this_run.run_id;
  if ever >= 1000 + 20 * workers then
    raise exception 'the run has had too many workers' using errcode = 'TR004';
  end if;
  if live >= 20 + 2 * workers then
    raise exception 'the run has too many workers at once' using errcode = '53300';
  end if;
end $$;
