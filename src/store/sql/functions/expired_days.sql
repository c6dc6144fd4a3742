-- Days before the given one, oldest first, that nobody asked to keep and that hold no live run.
create or replace function expired_days(first_kept date, kept date[]) returns setof date
language sql stable set search_path from current as $$
  select day from (
    select to_date(right(relid::regclass::text, 8), 'YYYYMMDD') as day
    from pg_partition_tree('request') where isleaf
  ) days
  where day < first_kept and day <> all (kept)
    and not exists (select from run where run_day = day and finished_at is null)
  order by day
$$;
