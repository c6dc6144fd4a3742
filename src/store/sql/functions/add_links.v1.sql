-- As workers of version 1 call it: they know nothing of servers.
create or replace function add_links(token text, this_worker uuid, key uuid, lease uuid, links json) returns text
language sql security definer set search_path from current as $$
  select add_links(token, this_worker, key, lease, links, null)
$$;
