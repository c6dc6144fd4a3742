-- Compares the next pages of a run with those of the run before, so many at most, in the order of their keys. A page that cannot
-- be read now, or could not then, is neither new nor gone. Rows beyond 200,000 of a run are counted alone.
create or replace function compare_pages(this_run run, most int) returns void
language plpgsql set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off
set enable_mergejoin = off set plan_cache_mode = force_generic_plan set jit = off as $$
declare
  most_rows constant int := 200000;
  this_comparison comparison;
  earlier run;
  last_key uuid;
begin
  select * into this_comparison from comparison where run_id = this_run.run_id;
  select * into earlier from run where run_id = this_comparison.earlier_run;
  -- It may have gone meanwhile, and its day with it.
  if earlier.run_id is null or not keeps_results(earlier) then
    update comparison set step = 'End', error = 'the results of the run before were dropped' where run_id = this_run.run_id;
    return;
  end if;
  with keys as materialized (
    select url_key from (
      (select r.url_key from request r where r.run_day = this_run.run_day and r.run_id = this_run.run_id
        and r.url_key > this_comparison.after_key order by r.url_key limit most)
      union
      (select r.url_key from request r where r.run_day = earlier.run_day and r.run_id = earlier.run_id
        and r.url_key > this_comparison.after_key order by r.url_key limit most)
    ) both_runs order by url_key limit most
  ), pages as materialized (
    select k.url_key, coalesce(n.url, o.url) as url, coalesce(n.source_no, o.source_no) as source_no, case
      when n.state = 'done' and o.state = 'done' then 'Both'
      when n.state = 'done' and (o.state is null or (o.state = 'skipped' and o.reason <> 'MaxPages') or o.is_gone) then 'New'
      when o.state = 'done' and (n.is_gone or (n.state = 'skipped'
        and n.reason in ('NotHtml', 'Redirected', 'NoIndex', 'Canonical'))) then 'Gone'
      when o.state = 'done' and n.state is null then
        case when this_comparison.looked_everywhere then 'Gone' else 'Unseen' end
      end as verdict
    from keys k
    left join lateral (
      select url, source_no, state, reason, state = 'dead' and facts->>'status' in ('404', '410') as is_gone
      from request r where r.run_day = this_run.run_day and r.run_id = this_run.run_id and r.url_key = k.url_key
        and not r.is_sitemap offset 0) n on true
    left join lateral (
      select url, source_no, state, reason, state = 'dead' and facts->>'status' in ('404', '410') as is_gone
      from request r where r.run_day = earlier.run_day and r.run_id = earlier.run_id and r.url_key = k.url_key
        and not r.is_sitemap offset 0) o on true
  ), items as materialized (
    select p.url_key, p.url, p.source_no, c.*
    from pages p cross join lateral compare_items(case when p.verdict <> 'Gone' then this_run end,
      case when p.verdict <> 'New' then earlier end, p.url_key) c
    where p.verdict in ('Both', 'New', 'Gone')
  ), urls as materialized (
    select p.url_key, p.url, p.source_no, case when p.verdict <> 'Both' then p.verdict
      when exists (select from items i where i.url_key = p.url_key and i.change <> 'Unchanged') then 'Changed'
      else 'Unchanged' end as change
    from pages p where p.verdict is not null
  ), found as materialized (
    select 'Url' as kind, u.change, u.url_key, u.source_no, u.url, null::bigint as item_id, null::bigint as earlier_item,
      null::uuid as identity, null::text as label, null::jsonb as fields
    from urls u where u.change <> 'Unchanged'
    union all
    select 'Item', i.change, i.url_key, i.source_no, i.url, i.item_id, i.earlier_item, i.identity, i.label, i.fields
    from items i where i.change <> 'Unchanged'
  ), kept as (
    insert into change (run_id, run_day, kind, change, url_key, source_no, url, item_id, earlier_item, identity, label, fields)
    select this_run.run_id, this_run.run_day, f.* from found f
    limit greatest(0, most_rows - this_comparison.kept_rows)
    returning 1
  ), counted as (
    select count(*) filter (where change = 'New') as urls_new, count(*) filter (where change = 'Changed') as urls_changed,
      count(*) filter (where change = 'Unchanged') as urls_unchanged, count(*) filter (where change = 'Gone') as urls_gone,
      count(*) filter (where change = 'Unseen') as urls_unseen
    from urls
  ), items_counted as (
    select coalesce(sum(items) filter (where change = 'New'), 0) as items_new,
      coalesce(sum(items) filter (where change = 'Changed'), 0) as items_changed,
      coalesce(sum(items) filter (where change = 'Unchanged'), 0) as items_unchanged,
      coalesce(sum(items) filter (where change = 'Gone'), 0) as items_gone
    from items
  ), rows_counted as (
    select (select count(*) from found) as found, (select count(*) from kept) as kept
  )
  update comparison c set
    urls_new = c.urls_new + u.urls_new, urls_changed = c.urls_changed + u.urls_changed,
    urls_unchanged = c.urls_unchanged + u.urls_unchanged, urls_gone = c.urls_gone + u.urls_gone,
    urls_unseen = c.urls_unseen + u.urls_unseen, items_new = c.items_new + i.items_new,
    items_changed = c.items_changed + i.items_changed, items_unchanged = c.items_unchanged + i.items_unchanged,
    items_gone = c.items_gone + i.items_gone, kept_rows = c.kept_rows + r.kept,
    left_out_rows = c.left_out_rows + r.found - r.kept,
    after_key = coalesce(k.last_key, '00000000-0000-0000-0000-000000000000'),
    step = case when k.last_key is null then 'Moves' else 'Pages' end
  from counted u, items_counted i, rows_counted r, (select (array_agg(url_key order by url_key desc))[1] as last_key from keys) k
  where c.run_id = this_run.run_id;
end $$;
