-- What workers that wait for work may expect, for each of the tokens in their order: null for a token that is not good any
-- more, else {mark, dueInMs, isHeldBack, isEnding, isEmpty}. dueInMs is when a lane may be claimed from; null when none is queued.
-- isHeldBack: there is more, which only a claim can bring to a lane: what limits hold back, and what gets nearer. The mark changes
-- with whatever may bring work that dueInMs does not show: another server, and of what is held back a commit of any worker.
-- isEnding: the run is stopped or finished. isEmpty: nothing is left to wait for.
-- Reads only, so it costs no transaction id. One statement for all of them: statements for each would take four times as long.
create or replace function run_outlooks(tokens text[]) returns json
language plpgsql stable security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off
set enable_mergejoin = off set plan_cache_mode = force_generic_plan set jit = off as $$
declare
  -- As claim_requests has it.
  horizon constant interval := '500 ms';
  time_now constant timestamptz := clock_timestamp();
  -- What is due is claimed at once when somebody waits for it, so the versions of lanes that were due before are passed over,
  -- see pick_lanes.
  lately constant timestamptz := time_now - interval '1 minute';
  server constant text := server_identity();
begin
  return (
    select coalesce(json_agg(case when of_run.run_id is not null then json_build_object(
      'isHeldBack', held.is_back,
      'mark', concat_ws('/', server, of_run.seeded_at, of_run.exact_limits,
        case when held.is_back then (select concat_ws('/', sum(discovered), sum(leased), sum(succeeded + failed + skipped), sum(places))
         from progress where run_id = of_run.run_id) end),
      'dueInMs', case
        when exists (select from worker w where w.run_id = of_run.run_id and w.lease_until < time_now) then 0
        when lane.due_at is not null then
          greatest(0, ceil(extract(epoch from lane.due_at - horizon - time_now) * 1000)) end,
      'isEnding', of_run.finished_at is not null or of_run.stop_reason is not null,
      'isEmpty', lane.due_at is null and not held.is_back
        and coalesce((select sum(leased) from progress where run_id = of_run.run_id), 0) = 0
        and not (select work_is_left(run) from run where run_id = of_run.run_id)) end order by place), '[]')
    from unnest(tokens) with ordinality as given (token, place)
      left join run_token on run_token.token_hash = token_hash(token) and revoked_at is null
      left join run of_run using (run_id)
      cross join lateral (select exists (select from lane where run_id = of_run.run_id and next_at = 'infinity')
        or exists (select from shorter_path where run_id = of_run.run_id) as is_back offset 0) held
      cross join lateral (select coalesce(
        (select min(next_at) from lane where run_id = of_run.run_id and next_at >= lately and next_at < 'infinity'),
        (select min(next_at) from lane where run_id = of_run.run_id and next_at < lately)) as due_at offset 0) lane);
end $$;
