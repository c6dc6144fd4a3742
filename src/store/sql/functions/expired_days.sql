-- The first days of partitions that lie before the given day, oldest first, of which nobody asked to keep a day and which
-- hold no live run.
create or replace function expired_days(first_kept date, kept date[]) returns setof date
language plpgsql stable set search_path from current as $$
begin
  return query
    select p.first_day from day_partitions() p
    where p.next_day <= first_kept
      and not exists (select from unnest(kept) k(day) where k.day >= p.first_day and k.day < p.next_day)
      and not exists (
        select from run where run_day >= p.first_day and run_day < p.next_day and finished_at is null)
    order by 1;
end $$;
