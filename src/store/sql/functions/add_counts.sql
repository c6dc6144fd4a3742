-- Adds two objects of counters, key by key.
create or replace function add_counts(a jsonb, b jsonb) returns jsonb
language sql immutable set search_path from current as $$
  select case when b = '{}' then a else (
    select jsonb_object_agg(key, total) from (
      select key, sum(value::bigint) as total
      from (select * from jsonb_each_text(a) union all select * from jsonb_each_text(b)) counts group by key
    ) totals
  ) end
$$;
