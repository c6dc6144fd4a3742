-- Drops, of 10,000 pages of a run's schedule after the given one, those that none of the last three runs saw that got
-- through the site (Succeeded, Partial); the last page that was looked at, null at the end. A run that failed saw nothing, and
-- a retry or one by hand without some sources saw a part: they tell nothing of what is gone. For the operator.
create or replace function forget_pages(of_run uuid, after uuid) returns uuid
language plpgsql set search_path from current as $$
declare
  this_run run;
  unseen_since timestamptz;
  last_looked uuid;
begin
  select * into this_run from run where run_id = of_run;
  select r.accepted_at into unseen_since from run r
  where r.schedule_uid = this_run.schedule_uid and r.accepted_at <= this_run.accepted_at
    and r.outcome in ('Succeeded', 'Partial') and r.trigger <> 'Retry'
    and not (r.trigger = 'Manual' and exists (select from source s where s.run_id = r.run_id and not s.active))
  order by r.accepted_at desc offset 2 limit 1;
  if unseen_since is null then
    return null;
  end if;
  select url_key into last_looked from (
    select url_key from page where schedule_uid = this_run.schedule_uid and url_key > after
    order by url_key limit 10000) part
  order by url_key desc limit 1;
  delete from page
  where schedule_uid = this_run.schedule_uid and url_key > after and url_key <= last_looked and seen_by < unseen_since;
  return last_looked;
end $$;
