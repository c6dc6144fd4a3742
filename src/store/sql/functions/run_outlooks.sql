-- What workers that wait for work may expect, for each of the tokens in their order: null for a token that is not good any
-- more, else {mark, dueInMs, isHeldBack, isEnding, isEmpty}. dueInMs is when a lane may be claimed from; null when none is queued.
-- isHeldBack: there is more, which only a claim can bring to a lane: what limits hold back, and what gets nearer. The mark changes
-- with whatever may bring work that dueInMs does not show: another server, and of what is held back a commit of any worker.
-- isEnding: the run is stopped or finished. isEmpty: nothing is left to wait for.
-- Reads only, so it costs no transaction id.
create or replace function run_outlooks(tokens text[]) returns json
language plpgsql stable security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off
set enable_mergejoin = off set plan_cache_mode = force_generic_plan set jit = off as $$
declare
  -- As claim_requests has it.
  horizon constant interval := '500 ms';
  -- What is due is claimed at once when somebody waits for it, so the versions of lanes that were due before are passed over,
  -- see pick_lanes.
  lately constant timestamptz := clock_timestamp() - interval '1 minute';
  server text := server_identity();
  outlooks json[] := '{}';
  token text;
  this_run run;
  is_held_back boolean;
begin
  foreach token in array tokens loop
    select run.* into this_run from run_token join run using (run_id)
    where run_token.token_hash = token_hash(token) and revoked_at is null;
    if not found then
      outlooks := outlooks || 'null'::json;
      continue;
    end if;
    is_held_back := exists (select from lane where run_id = this_run.run_id and next_at = 'infinity')
      or exists (select from shorter_path where run_id = this_run.run_id);
    outlooks := outlooks || json_build_object(
      'isHeldBack', is_held_back,
      'mark', concat_ws('/', server, this_run.seeded_at, this_run.exact_limits,
        case when is_held_back then (select concat_ws('/', sum(discovered), sum(leased), sum(succeeded + failed + skipped), sum(places))
         from progress where run_id = this_run.run_id) end),
      'dueInMs', case
        when exists (select from worker w where w.run_id = this_run.run_id and w.lease_until < clock_timestamp()) then 0
        else (select case when due_at is not null then
            greatest(0, ceil(extract(epoch from due_at - horizon - clock_timestamp()) * 1000)) end
          from coalesce(next_due(this_run.run_id, lately), next_due(this_run.run_id, '-infinity')) due_at) end,
      'isEnding', this_run.finished_at is not null or this_run.stop_reason is not null,
      'isEmpty', not work_is_left(this_run));
  end loop;
  return array_to_json(outlooks);
end $$;
