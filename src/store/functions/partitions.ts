// Days: what grows is kept in one partition a day, made before it is needed and dropped whole.

/**
 * Makes the partitions of a day. They are attached rather than created as partitions: that lets readers and writers of
 * other days go on. The settings suit a queue: room for new row versions in the page, and vacuum early and unthrottled.
 */
const ensureDay = `
create or replace function ensure_day(day date) returns void
language plpgsql set search_path from current as $$
declare
  parent text;
  part text;
  settings text;
begin
  foreach parent in array array['request', 'item'] loop
    part := parent || '_' || to_char(day, 'YYYYMMDD');
    continue when exists (select from pg_class where relname = part and relnamespace = current_schema()::regnamespace);
    perform pg_advisory_xact_lock(hashtextextended('trawler partition ' || current_schema() || '.' || part, 0));
    -- Looked up in the table: to_regclass would remember that it was not there.
    continue when exists (select from pg_class where relname = part and relnamespace = current_schema()::regnamespace);
    settings := case parent
      when 'request' then 'fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0'
      else 'autovacuum_vacuum_scale_factor = 0.1' end;
    execute format('create table %I (like %I including defaults including constraints) with (%s)',
      part, parent, settings);
    execute format('alter table %I enable row level security', part);
    execute format('alter table %I attach partition %I for values from (%L) to (%L)', parent, part, day, day + 1);
  end loop;
end $$`;

/** Days before the given one, oldest first, that nobody asked to keep and that hold no live run. */
const expiredDays = `
create or replace function expired_days(first_kept date, kept date[]) returns setof date
language sql stable set search_path from current as $$
  select day from (
    select to_date(right(relid::regclass::text, 8), 'YYYYMMDD') as day
    from pg_partition_tree('request') where isleaf
  ) days
  where day < first_kept and day <> all (kept)
    and not exists (select from run where run_day = day and finished_at is null)
  order by day
$$`;

/**
 * Drops a day's partitions; false when a run of it lives. All readers and writers of other days wait while it waits for its
 * lock, so that it gives up soon and is called again.
 */
const dropDay = `
create or replace function drop_day(day date) returns boolean
language plpgsql set search_path from current set lock_timeout = '3s' as $$
begin
  if exists (select from run where run_day = day and finished_at is null) then
    return false;
  end if;
  delete from run_host where run_id in (select run_id from run where run_day = day);
  execute format('drop table %I, %I', 'request_' || to_char(day, 'YYYYMMDD'), 'item_' || to_char(day, 'YYYYMMDD'));
  return true;
end $$`;

/**
 * Forgets the runs of days that were dropped, and what was learnt of pages and hosts and not looked at for as long. The
 * run of a schedule's newest slot stays for a year more: it remembers that the slot had its run.
 */
const forgetBefore = `
create or replace function forget_before(first_kept date, kept date[]) returns void
language plpgsql set search_path from current as $$
begin
  delete from run r
  where run_day < first_kept and run_day <> all (kept) and finished_at is not null and (
    run_day < first_kept - 366 or schedule_uid is null or scheduled_time is null or exists (
      select from run newer where newer.schedule_uid = r.schedule_uid and newer.scheduled_time > r.scheduled_time));
  -- A schedule without runs may be a rare one, or it was deleted.
  delete from page p
  where p.seen_by < clock_timestamp() - interval '90 days'
    and not exists (select from run where run.schedule_uid = p.schedule_uid and run.run_day >= first_kept);
  delete from robots where fetched_at < first_kept;
  delete from host_rendering where checked_at < first_kept;
end $$`;

export const partitionFunctions = [ensureDay, expiredDays, dropDay, forgetBefore];
