-- The names of all fields of the 10,000 items after the given one, and the last of these; null for a lost lease.
create or replace function output_fields(token text, held uuid, after bigint) returns json
language plpgsql stable security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off
set enable_mergejoin = off set plan_cache_mode = force_generic_plan set jit = off as $$
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
end $$;
