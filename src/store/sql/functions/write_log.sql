-- Keeps a part of a worker's log: part is JSON {seq, firstAt, lastAt, lines, lost, data}, times in milliseconds, data gzip in base64.
-- A run has 32 MB of them at most, in 20,000 parts: beyond it the oldest go, but for the first eight, and are counted. A part that
-- comes again is there once. Parts of a run are stored one after another, so that who follows misses none. Locks: the total.
create or replace function write_log(token text, this_worker uuid, part json) returns boolean
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off
set enable_mergejoin = off set plan_cache_mode = force_generic_plan set jit = off as $$
declare
  most_bytes constant bigint := 32000000;
  most_parts constant int := 20000;
  head_parts constant int := 8;
  this_run run := run_of_token(token);
  time_now timestamptz := clock_timestamp();
  total run_log_total;
  new_id bigint;
  content bytea := decode(part->>'data', 'base64');
begin
  insert into run_log_total (run_id) values (this_run.run_id) on conflict do nothing;
  select * into total from run_log_total where run_id = this_run.run_id for no key update;
  insert into run_log (run_id, worker_id, seq, first_at, last_at, lines, lost, data)
  select this_run.run_id, this_worker, (part->>'seq')::int, least(to_timestamp((part->>'firstAt')::float8 / 1000), time_now),
    least(to_timestamp((part->>'lastAt')::float8 / 1000), time_now), (part->>'lines')::int, (part->>'lost')::int, content
  on conflict (run_id, worker_id, seq) do nothing
  returning log_id into new_id;
  if new_id is null then
    return false;
  end if;
  total.ever := least(total.ever + 1, 1000000000);
  total.parts := total.parts + 1;
  total.bytes := total.bytes + length(content);
  if total.ever <= head_parts then
    total.head_until := new_id;
  end if;
  while total.bytes > most_bytes or total.parts > most_parts loop
    with gone as (
      delete from run_log where log_id in (
        select log_id from run_log where run_id = this_run.run_id and log_id > total.head_until and log_id < new_id
        order by first_at, log_id limit 100)
      returning length(data) as bytes, lines
    )
    select total.bytes - coalesce(sum(bytes), 0), total.parts - count(*), total.dropped_lines + coalesce(sum(lines), 0)
    into total.bytes, total.parts, total.dropped_lines from gone;
    exit when not found or total.parts <= head_parts + 1;
  end loop;
  update run_log_total set stored_at = time_now, head_until = total.head_until, ever = total.ever, parts = total.parts,
    bytes = total.bytes, dropped_lines = total.dropped_lines
  where run_id = this_run.run_id;
  return true;
end $$;
