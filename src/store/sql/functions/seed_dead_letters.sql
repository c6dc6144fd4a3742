-- Seeds a run with the dead letters of an earlier one, once; false when the run is seeded already. Sources are found
-- again by name. A retry of a run whose requests are gone has failed: nobody knows what it should try. The run's row is
-- locked first.
create or replace function seed_dead_letters(retry_id uuid, this_worker uuid, earlier_id uuid) returns boolean
language plpgsql set search_path from current as $$
declare
  this_run run;
  earlier_day date := (select run_day from run where run_id = earlier_id);
  links json;
begin
  select * into this_run from run where run_id = retry_id for no key update;
  if this_run.seeded_at is not null or this_run.finished_at is not null then
    return false;
  end if;
  if not exists (select from day_partitions() p where earlier_day >= p.first_day and earlier_day < p.next_day) then
    perform end_run(this_run, 'Failed', 'the dead letters of the run to be tried again are not kept any more');
    return false;
  end if;
  select json_agg(json_build_object('key', r.url_key, 'url', r.url, 'host', coalesce(h.name, substring(r.url from '^[a-z]+://(?:[^/?#@]*@)?([^/?#]+)')), 'source', s.name, 'depth', r.depth,
    'sitemap', r.is_sitemap, 'listingPage', r.listing_page))
  into links
  from request r
  left join lane l on l.lane_id = r.lane_id
  left join host h on h.host_id = l.host_id
  join source s on s.run_id = r.run_id and s.source_no = r.source_no
  where r.run_id = earlier_id and r.run_day = earlier_day and r.state = 'dead';
  if links is not null then
    perform queue_at_hosts(discover(this_run, this_worker, links));
  end if;
  update run set seeded_at = clock_timestamp() where run_id = retry_id;
  return true;
end $$;
