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

/** Drops the days before the given one that hold no live run, with their runs; the days dropped. */
const dropDaysBefore = `
create or replace function drop_days_before(first_kept date) returns setof date
language plpgsql set search_path from current as $$
declare
  day date;
begin
  for day in
    select d from (
      select to_date(right(relid::regclass::text, 8), 'YYYYMMDD') as d
      from pg_partition_tree('request') where isleaf
    ) days
    where d < first_kept and not exists (select from run where run_day = d and finished_at is null)
    order by d
  loop
    execute format('drop table %I, %I', 'request_' || to_char(day, 'YYYYMMDD'), 'item_' || to_char(day, 'YYYYMMDD'));
    delete from run_host where run_id in (select run_id from run where run_day = day);
    delete from run where run_day = day;
    return next day;
  end loop;
  -- A schedule without runs may be a rare one, or it was deleted.
  delete from page p
  where p.seen_by < clock_timestamp() - interval '90 days'
    and not exists (select from run where run.schedule_uid = p.schedule_uid);
end $$`;

export const partitionFunctions = [ensureDay, dropDaysBefore];
