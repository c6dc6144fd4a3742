-- Items that are new on one page and gone from another are the same ones where their identity says so, as they are when a list
-- goes on over several pages: they are unchanged, or changed in some fields. Looks at so many identities at most.
create or replace function compare_moves(this_run run, most int) returns void
language plpgsql set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off
set enable_mergejoin = off set plan_cache_mode = force_generic_plan set jit = off as $$
declare
  this_comparison comparison;
  earlier run;
begin
  select * into this_comparison from comparison where run_id = this_run.run_id;
  select * into earlier from run where run_id = this_comparison.earlier_run;
  with ids as materialized (
    select distinct identity from change
    where run_day = this_run.run_day and run_id = this_run.run_id and kind = 'Item' and change in ('New', 'Gone')
      and identity > this_comparison.after_key
    order by identity limit most
  ), sides as materialized (
    select c.change_id, c.change, c.identity, c.item_id, c.earlier_item,
      row_number() over (partition by c.identity, c.change order by c.change_id) as copy
    from ids cross join lateral (
      select * from change c where c.run_day = this_run.run_day and c.run_id = this_run.run_id and c.kind = 'Item'
        and c.change in ('New', 'Gone') and c.identity = ids.identity limit 1000) c
  ), pairs as materialized (
    select n.change_id as new_change, o.change_id as old_change, o.earlier_item, item_differences(
      (select i.data from item i where i.run_day = earlier.run_day and i.run_id = earlier.run_id and i.item_id = o.earlier_item),
      (select i.data from item i where i.run_day = this_run.run_day and i.run_id = this_run.run_id and i.item_id = n.item_id)
      ) as fields
    from sides n join sides o on o.identity = n.identity and o.copy = n.copy
    where n.change = 'New' and o.change = 'Gone'
  ), dropped as (
    delete from change c using (
      select old_change as change_id from pairs union all select new_change from pairs where fields = '{}') p
    where c.run_day = this_run.run_day and c.run_id = this_run.run_id and c.change_id = p.change_id
  ), altered as (
    update change c set change = 'Changed', earlier_item = p.earlier_item, fields = p.fields
    from pairs p
    where c.run_day = this_run.run_day and c.run_id = this_run.run_id and c.change_id = p.new_change and p.fields <> '{}'
  ), counted as (
    select count(*) as pairs, count(*) filter (where fields = '{}') as same from pairs
  )
  update comparison c set items_new = items_new - n.pairs, items_gone = items_gone - n.pairs,
    items_unchanged = items_unchanged + n.same, items_changed = items_changed + n.pairs - n.same,
    kept_rows = kept_rows - n.pairs - n.same,
    after_key = coalesce(l.last_identity, after_key), step = case when l.last_identity is null then 'End' else 'Moves' end
  from counted n, (select (array_agg(identity order by identity desc))[1] as last_identity from ids) l
  where c.run_id = this_run.run_id;
end $$;
