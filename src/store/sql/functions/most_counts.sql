-- Adds objects of counters, key by key, and keeps the 50 largest: the keys are what workers write. What was taken back is not
-- among them.
create or replace function most_counts(counts jsonb[]) returns jsonb
language sql immutable set search_path from current as $$
  select coalesce(jsonb_object_agg(name, n), '{}') from (
    select left(each.key, 100) as name, sum(each.value::bigint) as n
    from unnest(counts) one cross join lateral jsonb_each_text(one) each
    group by 1 having sum(each.value::bigint) > 0 order by n desc, name limit 50
  ) largest
$$;
