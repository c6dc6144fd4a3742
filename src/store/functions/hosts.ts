// Shared politeness: what a worker may do to a host, of which it never sees the row.

/** The host's row in the run's scope, made when it is not there. */
const hostOfRun = `
create or replace function host_of_run(this_run run, host_name text) returns bigint
language plpgsql set search_path from current as $$
declare
  found_id bigint;
begin
  select host_id into found_id from host where scope = this_run.host_scope and name = host_name;
  if not found then
    insert into host (scope, name) values (this_run.host_scope, host_name) on conflict do nothing;
    select host_id into found_id from host where scope = this_run.host_scope and name = host_name;
  end if;
  return found_id;
end $$`;

/**
 * How far ahead the next send to a host is placed at least. An answer takes a while to reach the worker, and not always
 * the same while. So the worker tells how late its answers are at worst, and a send is not placed earlier than it can be
 * made in time. Below 10 ms of delay nobody could tell the difference, and speed is what was asked for.
 */
const headStart = `
create or replace function head_start(delay_ms double precision, lateness_ms double precision) returns interval
language sql immutable set search_path from current as $$
  select least(greatest(lateness_ms - 0.1 * delay_ms, 0), case when delay_ms < 10 then delay_ms else 1000 end)
    * interval '1 ms'
$$`;

/**
 * Milliseconds between two documents of a host. One that has refused a crawl is asked more slowly, however fast the run
 * may be: a quarter of a second is the least that is doubled, and a minute the most that doubling leads to.
 */
const hostSpacing = `
create or replace function host_spacing(delay_ms double precision, crawl_delay_ms int, slowdown smallint)
returns double precision language sql immutable set search_path from current as $$
  select case when slowdown = 1 then greatest(delay_ms, crawl_delay_ms)
    else greatest(delay_ms, crawl_delay_ms, least(greatest(delay_ms, crawl_delay_ms, 250) * slowdown, 60000)) end
$$`;

/**
 * How late the send of a turn may be: by a tenth of the delay, which leaves another tenth to the way to the server before
 * two come closer than 0.8 of it. Later than that, a worker has to take another place. Null below 10 ms of delay. An
 * expression and not a function of SQL, since it is asked for each claim.
 */
export function lastSend(turn: string, delay: string): string {
  return `case when ${delay} >= '10 ms' then ${turn} + 0.1 * ${delay} end`;
}

/** Takes the host's next place for one more document: {turn, sendBy?, moment, now}, as claim_requests tells them. */
const reserveHost = `
create or replace function reserve_host(token text, host_name text, lateness_ms double precision) returns json
language plpgsql security definer set search_path from current as $$
declare
  this_run run := live_run_of_token(token);
  id bigint := host_of_run(this_run, host_name);
  moment timestamptz;
  spacing double precision;
  turn timestamptz;
begin
  perform from host where host_id = id for no key update;
  moment := clock_timestamp();
  select host_spacing(this_run.delay_ms, crawl_delay_ms, slowdown) into spacing from host where host_id = id;
  select greatest(next_at, moment + head_start(spacing, lateness_ms)) into turn from host where host_id = id;
  update host set next_at = turn + spacing * interval '1 ms' where host_id = id;
  return json_strip_nulls(json_build_object('turn', extract(epoch from turn) * 1000,
    'sendBy', extract(epoch from ${lastSend('turn', `(spacing * interval '1 ms')`)}) * 1000,
    'moment', extract(epoch from moment) * 1000, 'now', extract(epoch from clock_timestamp()) * 1000));
end $$`;

/** Pushes the host's next time at least this far away, a day at most. */
const deferHost = `
create or replace function defer_host(token text, host_name text, delay_ms double precision) returns void
language plpgsql security definer set search_path from current as $$
declare
  this_run run := live_run_of_token(token);
  id bigint := host_of_run(this_run, host_name);
begin
  update host set next_at = greatest(next_at, clock_timestamp() + least(delay_ms, 86400000) * interval '1 ms')
  where host_id = id;
end $$`;

/**
 * A host refused a page of the run: its spacing doubles, up to 16 times, for every run of the scope, and the run keeps
 * what it saw. Once the host is told of, its message stays; of more than 1,000 hosts a run keeps none.
 *
 * Locks in order: host, blocked_host.
 */
const reportBlock = `
create or replace function report_block(token text, host_name text, evidence text) returns void
language plpgsql security definer set search_path from current as $$
declare
  this_run run := live_run_of_token(token);
  id bigint := host_of_run(this_run, host_name);
begin
  update host set slowdown = least(slowdown * 2, 16), good_answers = 0 where host_id = id;
  insert into blocked_host as b (run_id, host_id, evidence)
  select this_run.run_id, id, left(report_block.evidence, 500)
  where (select count(*) from blocked_host where run_id = this_run.run_id) < 1000
  on conflict (run_id, host_id) do update set blocks = b.blocks + 1;
end $$`;

/**
 * One more try in a row has failed on the direct way: after so many the host goes by the proxy until the cool-down is
 * over. True when it does so from now on. Its slowness was towards the direct way.
 *
 * Locks in order: host, blocked_host.
 */
const reportFailure = `
create or replace function report_failure(
  token text, host_name text, failure_threshold int, cooldown_ms double precision, evidence text) returns boolean
language plpgsql security definer set search_path from current as $$
declare
  this_run run := live_run_of_token(token);
  id bigint := host_of_run(this_run, host_name);
  is_enough boolean;
begin
  update host set failures = failures + 1, good_answers = 0
  where host_id = id and proxy_until <= clock_timestamp()
  returning failures >= failure_threshold into is_enough;
  if is_enough is not true then
    return false;
  end if;
  update host set failures = 0, slowdown = 1,
    proxy_until = clock_timestamp() + least(cooldown_ms, 86400000) * interval '1 ms'
  where host_id = id;
  insert into blocked_host (run_id, host_id, blocks, evidence)
  select this_run.run_id, id, 0, left(report_failure.evidence, 500)
  where (select count(*) from blocked_host where run_id = this_run.run_id) < 1000
  on conflict do nothing;
  return true;
end $$`;

/** Keeps a spider trap for the run's status, the first that is told of a pattern; of more than 100 a run keeps none. */
const reportTrap = `
create or replace function report_trap(token text, kind text, pattern text, url text) returns void
language plpgsql security definer set search_path from current as $$
declare
  this_run run := live_run_of_token(token);
begin
  insert into spider_trap (run_id, pattern, kind, url)
  select this_run.run_id, left(report_trap.pattern, 500), report_trap.kind, left(report_trap.url, 2048)
  where (select count(*) from spider_trap t where t.run_id = this_run.run_id) < 100
  on conflict do nothing;
end $$`;

/** A host in trouble has given a page: no more failures in a row, and after ten its spacing is halved. */
const reportAnswer = `
create or replace function report_answer(token text, host_name text) returns void
language plpgsql security definer set search_path from current as $$
declare
  this_run run := live_run_of_token(token);
begin
  update host set
    slowdown = case when good_answers >= 9 then greatest(slowdown / 2, 1) else slowdown end,
    good_answers = case when good_answers >= 9 then 0 else good_answers + 1 end,
    failures = 0
  where scope = this_run.host_scope and name = host_name and (slowdown > 1 or failures > 0);
end $$`;

/**
 * Whether going on is of no use: no page of an active source has succeeded, and the hosts of each have refused so many
 * tries, or it has lost all of its pages to that.
 */
const allSourcesBlocked = `
create or replace function all_sources_blocked(token text, enough_refusals int) returns boolean
language plpgsql security definer set search_path from current as $$
declare
  this_run run := run_of_token(token);
begin
  return (
    select bool_and(coalesce(
      counts.succeeded = 0 and (refusals >= enough_refusals or (counts.blocked > 0 and counts.open = 0)), false))
    from source s
    cross join lateral (
      select sum(p.succeeded) as succeeded, sum((failed_by->>'Blocked')::bigint) as blocked,
        sum(discovered - p.succeeded - failed - skipped) as open
      from progress p where p.run_id = s.run_id and p.source_no = s.source_no
    ) counts
    cross join lateral (
      select coalesce(sum(blocks), 0) as refusals
      from run_host l join blocked_host b on b.run_id = l.run_id and b.host_id = l.host_id
      where l.run_id = s.run_id and l.source_no = s.source_no
    ) hosts
    where s.run_id = this_run.run_id and s.active
  );
end $$`;

const readRobots = `
create or replace function read_robots(token text, host_name text) returns json
language plpgsql security definer set search_path from current as $$
declare
  this_run run := run_of_token(token);
begin
  return (
    select json_build_object('verdict', r.verdict, 'body', r.body, 'crawlDelayMs', nullif(h.crawl_delay_ms, 0),
      'ageMs', floor(extract(epoch from clock_timestamp() - r.fetched_at) * 1000))
    from host h join robots r using (host_id)
    where h.scope = this_run.host_scope and h.name = host_name
  );
end $$`;

/** Keeps a host's robots.txt; its crawl delay, a minute at most, spaces the requests of every run in the scope. */
const writeRobots = `
create or replace function write_robots(token text, host_name text, verdict text, body text, crawl_delay_ms int)
returns void language plpgsql security definer set search_path from current as $$
declare
  this_run run := live_run_of_token(token);
  id bigint := host_of_run(this_run, host_name);
begin
  insert into robots as r (host_id, verdict, body) values (id, write_robots.verdict, write_robots.body)
  on conflict (host_id) do update
  set verdict = excluded.verdict, body = excluded.body, fetched_at = clock_timestamp();
  update host h set crawl_delay_ms = least(greatest(coalesce(write_robots.crawl_delay_ms, 0), 0), 60000)
  where h.host_id = id;
end $$`;

const readHostRendering = `
create or replace function read_host_rendering(token text, host_name text) returns json
language plpgsql security definer set search_path from current as $$
declare
  this_run run := run_of_token(token);
begin
  return (
    select json_build_object('browserNeed', r.browser_need,
      'ageMs', floor(extract(epoch from clock_timestamp() - r.checked_at) * 1000))
    from host h join host_rendering r using (host_id)
    where h.scope = this_run.host_scope and h.name = host_name
  );
end $$`;

/** Moves the share of the host's pages that need the browser a quarter of the way to what one page showed. */
const learnHostRendering = `
create or replace function learn_host_rendering(token text, host_name text, needed boolean) returns real
language plpgsql security definer set search_path from current as $$
declare
  this_run run := live_run_of_token(token);
  id bigint := host_of_run(this_run, host_name);
  seen real := needed::int;
  result real;
begin
  insert into host_rendering as r (host_id, browser_need) values (id, seen / 4)
  on conflict (host_id) do update
  set browser_need = r.browser_need + (seen - r.browser_need) / 4, checked_at = clock_timestamp()
  returning browser_need into result;
  return result;
end $$`;

export const hostFunctions = [
  hostOfRun,
  headStart,
  hostSpacing,
  reserveHost,
  deferHost,
  reportBlock,
  reportFailure,
  reportAnswer,
  reportTrap,
  allSourcesBlocked,
  readRobots,
  writeRobots,
  readHostRendering,
  learnHostRendering,
];
