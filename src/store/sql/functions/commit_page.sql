-- Ends the request of one page that was read and of which nothing else is to be told: what most commits are. page is an outcome as for
-- commit_outcomes. False, with nothing written, for what is not of this kind or not leased with its token any more: commit_outcomes
-- has the rules for all of them. Simple statements, which are set up in a third of the time of its large one.
--
-- Locks in order: request, progress. Called by commit_outcomes alone, whose settings hold here.
create or replace function commit_page(this_run run, this_worker uuid, page jsonb, time_now timestamptz) returns boolean
language plpgsql as $$
declare
  this_facts constant jsonb := nullif(page->'facts', 'null');
  these_items constant jsonb := nullif(page->'items', 'null');
  n constant int := coalesce(jsonb_array_length(these_items), 0);
  size constant numeric := case when jsonb_typeof(this_facts->'bytes') = 'number' then greatest((this_facts->>'bytes')::numeric, 0) else 0 end;
  key constant uuid := page->>'key';
  ids bigint[];
  source smallint;
begin
  if page->>'type' is distinct from 'done' or this_run.expected_fields is not null
    or jsonb_exists_any(page, array['reason', 'cause', 'leftOut', 'itemsLeftOut'])
    or jsonb_exists_any(this_facts, array['screenshotError', 'unfinished', 'truncated']) then
    return false;
  end if;
  if n = 1 then
    ids := array[nextval('item_id_seq')];
  elsif n > 1 then
    ids := array(select nextval('item_id_seq') from generate_series(1, n));
  end if;

  update request r
  set state = 'done', lease_token = null, leased_by = null, has_place = not r.is_sitemap, priority = 0, reason = null,
    facts = coalesce(this_facts, r.facts - array['maxDepth', 'scopeMoves']), finished_at = time_now,
    first_item = coalesce(ids[1], r.first_item), last_item = coalesce(ids[n], r.last_item)
  where (r.run_day = this_run.run_day or r.run_day is null) and r.run_id = this_run.run_id and r.url_key = key
    and r.lease_token = (page->>'token')::uuid and not r.was_read
  returning r.source_no into source;
  if not found then
    return false;
  end if;
  if n = 1 then
    insert into item (run_id, run_day, item_id, url_key, source_no, data)
    values (this_run.run_id, this_run.run_day, ids[1], key, source, these_items->0);
  elsif n > 1 then
    insert into item (run_id, run_day, item_id, url_key, source_no, data)
    select this_run.run_id, this_run.run_day, ids[i.place], key, source, i.data
    from jsonb_array_elements(these_items) with ordinality as i(data, place);
  end if;
  -- The claim has made the row.
  update progress p
  set leased = leased - 1, succeeded = succeeded + 1, items = items + n, last_success_at = time_now,
    bytes = least(p.bytes + least(size, 1e15)::bigint, 1000000000000000000)
  where p.run_id = this_run.run_id and p.worker_id = this_worker and p.source_no = source;
  if not found then
    insert into progress (run_id, worker_id, source_no, leased, succeeded, items, last_success_at, bytes)
    values (this_run.run_id, this_worker, source, -1, 1, n, time_now, least(size, 1e15)::bigint);
  end if;
  return true;
end $$;
