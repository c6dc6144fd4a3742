-- The fields in which two items differ, {name: {before, after}}: the first 50 by name, values of more than 200 characters cut. A
-- field that one of them does not have is left out on that side.
create or replace function item_differences(before jsonb, after jsonb) returns jsonb
language sql immutable set search_path from current as $$
  select coalesce(jsonb_object_agg(left(name, 200), jsonb_strip_nulls(jsonb_build_object(
    'before', case when length(b::text) <= 200 then b else to_jsonb(left(b::text, 200) || '…') end,
    'after', case when length(a::text) <= 200 then a else to_jsonb(left(a::text, 200) || '…') end))), '{}')
  from (
    select key as name, before->key as b, after->key as a
    from (select jsonb_object_keys(before) as key union select jsonb_object_keys(after)) keys
    where before->key is distinct from after->key
    order by key limit 50
  ) different
$$;
