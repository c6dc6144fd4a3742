// The file of a run: one worker at a time holds it, reads the items and says what became of it. See
// docs/decisions/0012-output-files.md.
import { QUEUE_PLANS } from './queue-plans.ts';

/**
 * Gives the run's file to a worker, once the crawl is over: {state: Leased, fence}. Every lease has a new fence, and only
 * its bearer may read on and settle. Wait while another holds it who gives heartbeats. Locks in order: worker, output.
 */
const leaseOutput = `
create or replace function lease_output(token text, me uuid) returns json
language plpgsql security definer set search_path from current as $$
declare
  this_run run := run_of_token(token);
  file output;
begin
  if this_run.finished_at is not null then
    return json_build_object('state', 'Finished');
  end if;
  if (enlist_worker(this_run, me, 0)).released_at is not null then
    return json_build_object('state', 'Stopping');
  end if;
  select * into file from output o where o.run_id = this_run.run_id for no key update;
  if file.settled_at is not null then
    return json_build_object('state', 'Finished');
  end if;
  if file.due_at is null then
    raise exception 'the crawl is not over: its output is not due';
  end if;
  if file.writer <> me and exists (
    select from worker w where w.run_id = this_run.run_id and w.worker_id = file.writer
      and w.released_at is null and w.lease_until > clock_timestamp()) then
    return json_build_object('state', 'Wait', 'retryInMs', 1000);
  end if;
  update output o set writer = me, fence = gen_random_uuid() where o.run_id = this_run.run_id
  returning * into file;
  return json_build_object('state', 'Leased', 'fence', file.fence);
end $$`;

/** Whether the fence is that of the last lease, and the file not settled. */
const holdsOutput = `
create or replace function holds_output(of_run uuid, held uuid) returns boolean
language sql stable set search_path from current as $$
  select exists (select from output where run_id = of_run and fence = held and settled_at is null)
$$`;

/**
 * The items after the given one in the order they were stored, null for a lost lease: at most 1,000, and not many more
 * than 2 MB as they are stored, so that one page of huge items does not fill a worker's memory.
 */
const outputItems = `
create or replace function output_items(token text, held uuid, after bigint) returns json
language plpgsql stable security definer set search_path from current
${QUEUE_PLANS} as $$
declare
  most_bytes constant int := 2000000;
  this_run run := run_of_token(token);
begin
  if not holds_output(this_run.run_id, held) then
    return null;
  end if;
  return (
    select coalesce(json_agg(json_build_object(
      'id', page.item_id::text, 'source', s.name, 'url', r.url, 'data', page.data) order by page.item_id), '[]')
    from (
      select *, sum(pg_column_size(data)) over (order by item_id) - pg_column_size(data) as bytes_before
      from (
        select item_id, url_key, source_no, data from item i
        where i.run_day = this_run.run_day and i.run_id = this_run.run_id and i.item_id > after
        order by i.item_id limit 1000
      ) next
    ) page
    cross join lateral (
      select url from request r
      where r.run_day = this_run.run_day and r.run_id = this_run.run_id and r.url_key = page.url_key offset 0) r
    cross join lateral (
      select name from source s where s.run_id = this_run.run_id and s.source_no = page.source_no offset 0) s
    where page.bytes_before < most_bytes);
end $$`;

/** The names of all fields of the 10,000 items after the given one, and the last of these; null for a lost lease. */
const outputFields = `
create or replace function output_fields(token text, held uuid, after bigint) returns json
language plpgsql stable security definer set search_path from current
${QUEUE_PLANS} as $$
declare
  this_run run := run_of_token(token);
begin
  if not holds_output(this_run.run_id, held) then
    return null;
  end if;
  return (
    with page as materialized (
      select item_id, data from item i
      where i.run_day = this_run.run_day and i.run_id = this_run.run_id and i.item_id > after
      order by i.item_id limit 10000
    )
    select json_build_object('last', max(item_id)::text,
      'fields', to_json(array(select distinct key from page cross join lateral jsonb_object_keys(data) key order by key)))
    from page);
end $$`;

/**
 * What became of the file, and with it the end of the run: result is JSON {path, bytes, items, sha256} or {error}. False
 * when the lease is lost and nothing was changed; true when the run is finished, by this call or before. A run whose
 * file cannot be written has failed. Locks in order: run, output.
 */
const settleOutput = `
create or replace function settle_output(token text, held uuid, result json) returns boolean
language plpgsql security definer set search_path from current as $$
declare
  this_run run := run_of_token(token);
  file output;
begin
  select * into this_run from run where run_id = this_run.run_id for no key update;
  if this_run.finished_at is not null then
    return true;
  end if;
  update output o set settled_at = clock_timestamp(), path = result->>'path', bytes = (result->>'bytes')::bigint,
    items = (result->>'items')::bigint, sha256 = result->>'sha256', error = left(result->>'error', 1000)
  where o.run_id = this_run.run_id and o.fence = held
  returning * into file;
  if not found then
    return false;
  end if;
  if file.error is null then
    perform end_run(this_run, file.outcome, file.message);
  else
    perform end_run(this_run, case when file.outcome = 'TimedOut' then 'TimedOut' else 'Failed' end,
      concat_ws('; ', file.message, 'the output was not written: ' || file.error));
  end if;
  return true;
end $$`;

/** Hands the file back unwritten, so that another worker need not wait for the end of a lease. */
const releaseOutput = `
create or replace function release_output(token text, held uuid) returns void
language plpgsql security definer set search_path from current as $$
declare
  this_run run := run_of_token(token);
begin
  update output o set writer = null, fence = null where o.run_id = this_run.run_id and o.fence = held;
end $$`;

export const outputFunctions = [leaseOutput, holdsOutput, outputItems, outputFields, settleOutput, releaseOutput];
