-- Makes the partitions of a day where there are none. They are attached rather than created as partitions: that lets readers
-- and writers of other days go on. The settings suit a queue: room for new row versions in the page, and vacuum early and
-- unthrottled.
--
-- A partition holds an eighth as many days as the oldest one is old, so that there are few however long results are kept:
-- every statement that looks for its partition locks them all.
create or replace function ensure_day(day date) returns void
language plpgsql set search_path from current as $$
declare
  part text;
  next_day date;
begin
  if exists (select from day_partitions() p where p.first_day <= day and p.next_day > day) then
    return;
  end if;
  perform pg_advisory_xact_lock(hashtextextended('trawler partitions ' || current_schema(), 0));
  if exists (select from day_partitions() p where p.first_day <= day and p.next_day > day) then
    return;
  end if;
  select least(day + greatest(1, ceil((day - min(p.first_day)) / 8.0)::int), min(p.first_day) filter (where p.first_day > day))
  into next_day from day_partitions() p;
  next_day := coalesce(next_day, day + 1);

  part := to_char(day, 'YYYYMMDD');
  execute format('create table %I (like request including defaults including constraints) '
    'with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0)', 'request_' || part);
  execute format('create table %I (like item including defaults including constraints) '
    'with (autovacuum_vacuum_scale_factor = 0.1)', 'item_' || part);
  execute format('alter table %I enable row level security', 'request_' || part);
  execute format('create table %I (like change including defaults including constraints)', 'change_' || part);
  execute format('alter table %I enable row level security', 'item_' || part);
  execute format('alter table %I enable row level security', 'change_' || part);
  execute format('alter table request attach partition %I for values from (%L) to (%L)', 'request_' || part, day, next_day);
  execute format('alter table item attach partition %I for values from (%L) to (%L)', 'item_' || part, day, next_day);
  execute format('alter table change attach partition %I for values from (%L) to (%L)', 'change_' || part, day, next_day);
end $$;
