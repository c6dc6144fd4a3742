-- The items of one page of a run, found by what its request says of them.
create or replace function items_of_page(of_run run, key uuid) returns setof item
language plpgsql stable rows 10 set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off
set enable_mergejoin = off set plan_cache_mode = force_generic_plan set jit = off as $$
begin
  return query
    select i.* from request r join item i
      on i.run_day = of_run.run_day and i.run_id = of_run.run_id and i.item_id between r.first_item and r.last_item
    where r.run_day = of_run.run_day and r.run_id = of_run.run_id and r.url_key = key and i.url_key = key;
end $$;
