-- Whether the results of a day are kept, with an index of items by page: days of earlier releases have none.
create or replace function has_items_by_page(day date) returns boolean
language sql stable set search_path from current as $$
  select exists (
    select from day_partitions() p
    where p.first_day <= day and p.next_day > day and not p.is_leaving
      and to_regclass('item_page_' || to_char(p.first_day, 'YYYYMMDD')) is not null)
$$;
