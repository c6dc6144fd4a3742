-- What became of the items of one page between two runs, whatever their order: a row for each item that is new, gone or changed,
-- and one that counts the others. An item that is exactly the same is unchanged; of the rest, those with the same identity are
-- the same one. Where each run has one left, that is the same one if it has no identity, or a title and the page to itself.
-- A run that does not have the page is null.
create or replace function compare_items(this_run run, earlier run, key uuid) returns table (
  change text, item_id bigint, earlier_item bigint, identity uuid, label text, fields jsonb, items int)
language plpgsql stable set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off
set enable_mergejoin = off set plan_cache_mode = force_generic_plan set jit = off as $$
begin
  return query
    with new_items as materialized (
      select i.item_id, md5(i.data::text)::uuid as hash, item_identity(i.data) as named,
        row_number() over (partition by md5(i.data::text) order by i.item_id) as copy
      from items_of_page(this_run, key) i
    ), old_items as materialized (
      select i.item_id, md5(i.data::text)::uuid as hash, item_identity(i.data) as named,
        row_number() over (partition by md5(i.data::text) order by i.item_id) as copy
      from items_of_page(earlier, key) i
    ), new_rest as materialized (
      select n.item_id, n.named, n.hash, count(*) over () as n,
        row_number() over (partition by coalesce(n.named, n.hash::text) order by n.item_id) as copy
      from new_items n where not exists (select from old_items o where o.hash = n.hash and o.copy = n.copy)
    ), old_rest as materialized (
      select o.item_id, o.named, o.hash, count(*) over () as n,
        row_number() over (partition by coalesce(o.named, o.hash::text) order by o.item_id) as copy
      from old_items o where not exists (select from new_items n where n.hash = o.hash and n.copy = o.copy)
    ), pairs as materialized (
      select n.item_id as new_id, o.item_id as old_id, n.named
      from new_rest n join old_rest o on (o.named = n.named and o.copy = n.copy) or (n.n = 1 and o.n = 1 and (
        n.named is null or o.named is null or (n.named ~ '^(title|name)=' and o.named ~ '^(title|name)='
          and (select count(*) from new_items) = 1 and (select count(*) from old_items) = 1)))
    )
    select 'Changed', p.new_id, p.old_id, md5(p.named)::uuid, left(p.named, 200), item_differences(
        (select i.data from item i where i.run_day = earlier.run_day and i.run_id = earlier.run_id and i.item_id = p.old_id),
        (select i.data from item i where i.run_day = this_run.run_day and i.run_id = this_run.run_id and i.item_id = p.new_id)),
      1
    from pairs p
    union all
    select 'New', n.item_id, null, md5(coalesce(n.named, n.hash::text))::uuid, left(n.named, 200), null, 1
    from new_rest n where not exists (select from pairs p where p.new_id = n.item_id)
    union all
    select 'Gone', null, o.item_id, md5(coalesce(o.named, o.hash::text))::uuid, left(o.named, 200), null, 1
    from old_rest o where not exists (select from pairs p where p.old_id = o.item_id)
    union all
    select 'Unchanged', null, null, null, null, null,
      ((select count(*) from new_items) - (select count(*) from new_rest))::int;
end $$;
