-- Drops the pages of a run's schedule that neither it nor the two runs before it saw, 10,000 at most. For the operator.
create or replace function forget_pages(of_run uuid) returns int
language plpgsql set search_path from current as $$
declare
  forgotten int;
begin
  with third_last as (
    select r.schedule_uid, r.accepted_at from run r join run this_run using (schedule_uid)
    where this_run.run_id = of_run and r.accepted_at <= this_run.accepted_at
    order by r.accepted_at desc offset 2 limit 1
  ), unseen as (
    select p.schedule_uid, p.url_key from page p join third_last t using (schedule_uid)
    where p.seen_by < t.accepted_at limit 10000
  ), deleted as (
    delete from page p using unseen u where p.schedule_uid = u.schedule_uid and p.url_key = u.url_key
      and p.seen_by < (select accepted_at from third_last)
    returning 1
  )
  select count(*) into forgotten from deleted;
  return forgotten;
end $$;
