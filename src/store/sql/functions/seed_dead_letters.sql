-- Seeds a run with the dead letters of an earlier one, once; false when the run is seeded already, has ended, or ends here.
-- Of causes alone, or of all where that is null. Sources are found again by name. A retry that would have nothing to do has failed: an end without an error would
-- say that what had failed is crawled now. The run's row is locked first.
create or replace function seed_dead_letters(
  retry_id uuid, this_worker uuid, earlier_id uuid, causes text[] default null) returns boolean
language plpgsql set search_path from current as $$
declare
  this_run run;
  earlier run;
  name text;
  kept int;
  known jsonb;
  links json;
  arrivals arrival[];
begin
  select * into this_run from run where run_id = retry_id for no key update;
  if this_run.seeded_at is not null or this_run.finished_at is not null then
    return false;
  end if;
  select * into earlier from run where run_id = earlier_id;
  name := coalesce(earlier.name, (select spec #>> '{trigger,retryOf}' from run_spec where run_id = retry_id), earlier_id::text);
  select count(*), json_agg(json_build_object('key', r.url_key, 'url', r.url, 'host', coalesce(h.name, substring(r.url from '^[a-z]+://(?:[^/?#@]*@)?([^/?#]+)')), 'source', s.name, 'depth', r.depth,
    'sitemap', r.is_sitemap, 'listingPage', r.listing_page))
  into kept, links
  from request r
  left join lane l on l.lane_id = r.lane_id
  left join host h on h.host_id = l.host_id
  join source s on s.run_id = r.run_id and s.source_no = r.source_no
  where r.run_id = earlier.run_id and r.run_day = earlier.run_day and r.state = 'dead'
    and (causes is null or r.reason = any (causes));
  if kept > 0 then
    arrivals := discover(this_run, this_worker, links);
    if arrivals <> '{}' then
      perform queue_at_hosts(arrivals);
      update run set seeded_at = clock_timestamp() where run_id = retry_id;
      return true;
    end if;
    perform end_retry(this_run, 'NothingToRetry', format(
      'none of the %s dead letters of run "%s" that are asked for is of an active source of this run and within its depth',
      kept, name));
    return false;
  end if;

  known := most_counts(array(select failed_by from progress where run_id = earlier_id and failed_by <> '{}'));
  if causes is not null and known <> '{}' and not known ?| causes then
    perform end_retry(this_run, 'NothingToRetry', format('run "%s" has no dead letters of the cause %s; it has %s', name,
      array_to_string(causes, ' or '), (select string_agg(key || ' ' || value, ', ' order by key) from jsonb_each_text(known))));
  elsif earlier.run_id is null or not exists (
      select from day_partitions() p where earlier.run_day >= p.first_day and earlier.run_day < p.next_day)
    or known <> '{}' then
    perform end_retry(this_run, 'DeadLettersGone',
      format('PostgreSQL keeps no dead letters of run "%s" any more, or has never known it: retry all of it', name));
  elsif earlier.finished_at is null then
    perform end_retry(this_run, 'NothingToRetry', format('run "%s" has no dead letters yet: it has not ended', name));
  else
    perform end_retry(this_run, 'NothingToRetry', format('run "%s" has no dead letters: there is nothing to retry', name));
  end if;
  return false;
end $$;
