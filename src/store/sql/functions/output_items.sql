-- The items after the given one in the order they were stored, null for a lost lease: at most 1,000, and not many more
-- than 2 MB as they are stored, so that one page of huge items does not fill a worker's memory.
create or replace function output_items(token text, held uuid, after bigint) returns json
language plpgsql stable security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off
set enable_mergejoin = off set plan_cache_mode = force_generic_plan set jit = off as $$
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
end $$;
