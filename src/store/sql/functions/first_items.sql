-- The first 100 items of a run as JSON [{source, url, data}], as long as they have 32 KiB together. data is null where it has
-- more than 4 KiB. How much is stored of an item is looked at before it is read.
create or replace function first_items(this_run run) returns jsonb
language plpgsql stable set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off
set enable_mergejoin = off set plan_cache_mode = force_generic_plan set jit = off as $$
declare
  most_of_one constant int := 4096;
  most_of_all constant int := 32768;
begin
  return (
    select coalesce(jsonb_agg(entry order by item_id) filter (where bytes <= most_of_all), '[]')
    from (
      select item_id, entry, sum(octet_length(entry::text)) over (order by item_id) as bytes
      from (
        select i.item_id, jsonb_build_object(
          'source', (select name from source s where s.run_id = this_run.run_id and s.source_no = i.source_no),
          'url', (select url from request r
            where r.run_day = this_run.run_day and r.run_id = this_run.run_id and r.url_key = i.url_key),
          'data', case when i.stored <= most_of_one then
            case when octet_length(i.data::text) <= most_of_one then i.data end end) as entry
        from (
          select item_id, source_no, url_key, data, pg_column_size(data) as stored from item
          where run_day = this_run.run_day and run_id = this_run.run_id order by item_id limit 100
        ) i
      ) entries
    ) summed
  );
end $$;
