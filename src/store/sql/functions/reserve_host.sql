-- Takes the host's next place for one more document: {turn, sendBy?, moment, now}, as claim_requests tells them. Of a
-- parked host it is at once: a probe may need robots.txt before its page.
create or replace function reserve_host(token text, host_name text, lateness_ms double precision) returns json
language plpgsql security definer set search_path from current as $$
declare
  this_run run := live_run_of_token(token);
  id bigint := host_of_run(this_run, host_name);
  time_now timestamptz;
  spacing double precision;
  turn timestamptz;
begin
  perform from host where host_id = id for no key update;
  time_now := clock_timestamp();
  select host_spacing(this_run.delay_ms, crawl_delay_ms, slowdown) into spacing from host where host_id = id;
  select greatest(case when outage_state(outage_failures) in ('Parked', 'Down') then null else next_at end,
    time_now + head_start(spacing, lateness_ms)) into turn from host where host_id = id;
  update host set next_at = greatest(next_at, turn + spacing * interval '1 ms') where host_id = id;
  return json_strip_nulls(json_build_object('turn', extract(epoch from turn) * 1000,
    'sendBy', extract(epoch from last_send(turn, spacing * interval '1 ms')) * 1000,
    'moment', extract(epoch from time_now) * 1000, 'now', extract(epoch from clock_timestamp()) * 1000));
end $$;
