-- Makes the partitions of a day. They are attached rather than created as partitions: that lets readers and writers of
-- other days go on. The settings suit a queue: room for new row versions in the page, and vacuum early and unthrottled.
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
end $$;
