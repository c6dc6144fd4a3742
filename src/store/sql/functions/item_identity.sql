-- What makes an item the same one as in an earlier run, for people too: the first of these fields that holds text or a number.
-- Null when it has none: then it is the same one as long as nothing of it changes.
create or replace function item_identity(data jsonb) returns text
language sql immutable set search_path from current as $$
  select name || '=' || (data->>name)
  from unnest(array['sku', 'gtin', 'mpn', 'id', 'identifier', 'url', 'link', 'title', 'name']) with ordinality f(name, place)
  where jsonb_typeof(data->name) in ('string', 'number') and data->>name <> ''
  order by place limit 1
$$;
