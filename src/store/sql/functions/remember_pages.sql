-- Keeps what the ended requests of a schedule's run say of their pages, and counts the pages by what became of their
-- items. outcomes is as for commit_outcomes, of which page is {plan, etag?, lastModified?, links?}; only those of
-- the given keys count. Pages that answer 404 or 410 are forgotten. What is too large to be kept is fetched next time.
--
-- Locks in order: page by key, progress.
create or replace function remember_pages(this_run run, this_worker uuid, outcomes json, ours uuid[]) returns void
language plpgsql set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off
set enable_mergejoin = off set plan_cache_mode = force_generic_plan set jit = off as $$
declare
  -- Of items and links of one page.
  most_bytes constant int := 262144;
begin
  perform from page p where p.schedule_uid = this_run.schedule_uid and p.url_key = any (ours)
  order by p.url_key for no key update;

  with ended as materialized (
    select o.key, r.source_no, r.was_read, (o.page->>'plan')::uuid as plan, p.url_key is not null as is_known,
      p.plan as plan_before, p.hash as hash_before,
      o.page is null as is_gone,
      case when o.items <> '[]' then md5(o.items::text)::uuid end as hash,
      o.page->>'etag' as etag, o.page->>'lastModified' as last_modified, o.items, o.page->'links' as links,
      pg_column_size(o.items) + pg_column_size(o.page->'links') <= most_bytes
        and o.page ?| array['etag', 'lastModified'] as is_kept
    from (
      select * from json_to_recordset(outcomes) as o(key uuid, type text, facts jsonb, items jsonb, page jsonb)
      where (type = 'done' and page is not null) or (type = 'dead' and facts->>'status' in ('404', '410'))
      order by key offset 0) o
    cross join lateral (
      select source_no, was_read from request r
      where r.run_day = this_run.run_day and r.run_id = this_run.run_id and r.url_key = o.key) r
    left join lateral (
      select url_key, plan, hash from page p
      where p.schedule_uid = this_run.schedule_uid and p.url_key = o.key) p on true
    where o.key = any (ours)
  ), stored as (
    insert into page as p (schedule_uid, url_key, seen_by, plan, hash, etag, last_modified, items, links)
    select this_run.schedule_uid, key, this_run.accepted_at, plan, hash, case when is_kept then etag end,
      case when is_kept then last_modified end, case when is_kept then items end, case when is_kept then links end
    from ended where not is_gone order by key
    on conflict (schedule_uid, url_key) do update set
      seen_by = greatest(p.seen_by, excluded.seen_by), plan = excluded.plan, hash = excluded.hash,
      etag = excluded.etag, last_modified = excluded.last_modified,
      -- The same value is not written again where it is stored apart from the row.
      items = case when p.items = excluded.items then p.items else excluded.items end,
      links = case when p.links = excluded.links then p.links else excluded.links end
  ), forgotten as (
    delete from page p using ended e
    where e.is_gone and p.schedule_uid = this_run.schedule_uid and p.url_key = e.key
  ), compared as (
    select source_no, case
      when hash_before is null then 'added'
      when hash is null then 'removed'
      when hash = hash_before then 'unchanged'
      else 'changed' end as change
    from ended
    -- What another plan took out of a page says nothing about the page.
    where not was_read and (hash is not null or hash_before is not null) and (is_gone or not is_known or plan = plan_before)
  )
  insert into progress as p (run_id, worker_id, source_no, changes)
  select this_run.run_id, this_worker, source_no, jsonb_object_agg(change, pages)
  from (select source_no, change, count(*) as pages from compared group by 1, 2) counts
  group by source_no order by source_no
  on conflict (run_id, worker_id, source_no) do update set changes = add_counts(p.changes, excluded.changes);
end $$;
