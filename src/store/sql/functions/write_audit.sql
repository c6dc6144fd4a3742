-- Writes what was done through the API server: a list of entries. One that is there already stays as it is.
create or replace function write_audit(entries jsonb) returns void
language sql security definer set search_path from current as $$
  insert into audit (entry_id, at, namespace, kind, name, uid, action, username, origin, detail, before, after)
  select id, at, namespace, kind, name, uid, action, "user", origin, detail, before, after
  from jsonb_to_recordset(entries) as entry (id uuid, at timestamptz, namespace text, kind text, name text, uid text,
    action text, "user" text, origin text, detail text, before jsonb, after jsonb)
  order by at
  on conflict (entry_id) do nothing
$$;
