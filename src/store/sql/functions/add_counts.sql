-- Adds two objects of counters, key by key. Workers name the keys, and the row that holds them is written at each claim: of more than a
-- hundred those that come later are counted together.
create or replace function add_counts(a jsonb, b jsonb) returns jsonb
language sql immutable set search_path from current as $$
  select case when b = '{}' then a else (
    select jsonb_object_agg(key, total) from (
      select case when place <= 100 then key else 'Other' end as key, sum(total) as total
      from (
        select key, sum(value::bigint) as total, row_number() over (order by bool_or(is_known) desc, key) as place
        from (
          select key, value, true as is_known from jsonb_each_text(a)
          union all
          select key, value, false from jsonb_each_text(b)) counts
        group by key
      ) totals group by 1
    ) bounded
  ) end
$$;
