-- Takes the host's next place for one more document: {turn, sendBy?, moment, now}, as claim_requests tells them. Beside
-- other runs it is a part of this one's share. An hour ahead the host moves no farther: whoever takes places without end
-- harms nobody else for longer. Of a parked host the place is at once: a probe may need robots.txt before its page.
create or replace function reserve_host(token text, host_name text, lateness_ms double precision) returns json
language plpgsql security definer set search_path from current as $$
declare
  farthest constant interval := '1 hour';
  this_run run := live_run_of_token(token);
  id bigint := host_of_run(this_run, host_name);
  h host;
  time_now timestamptz;
  spacing double precision;
  turn timestamptz;
begin
  select * into h from host where host_id = id for no key update;
  time_now := clock_timestamp();
  spacing := host_spacing(this_run.delay_ms, h.crawl_delay_ms, h.slowdown);
  if h.shared_until > time_now then
    spacing := least(spacing, greatest(host_spacing(0, h.crawl_delay_ms, h.slowdown), (
      select min(s.delay_ms) from host_share s where s.host_id = id and s.active_until > time_now)));
  end if;
  turn := greatest(case when outage_state(h.outage_failures) in ('Parked', 'Down') then null else h.next_at end,
    time_now + head_start(spacing, lateness_ms));
  if turn < time_now + farthest then
    update host set next_at = greatest(next_at, turn + spacing * interval '1 ms') where host_id = id;
    update host_share s set
      served_ms = s.served_ms + spacing / s.weight, paced_at = paced_turns(s.paced_at, s.delay_ms, 1, turn, spacing),
      next_at = earliest_turn(s.paced_at, s.delay_ms, 1, turn, spacing)
    where s.host_id = id and s.run_id = this_run.run_id and h.shared_until > time_now;
  end if;
  return json_strip_nulls(json_build_object('turn', extract(epoch from turn) * 1000,
    'sendBy', extract(epoch from last_send(turn, spacing * interval '1 ms')) * 1000,
    'spacingMs', case when this_run.is_pace_changed or spacing < this_run.delay_ms then spacing end,
    'moment', extract(epoch from time_now) * 1000, 'now', extract(epoch from clock_timestamp()) * 1000));
end $$;
