-- As workers of version 1 call it: they know nothing of servers.
create or replace function commit_outcomes(token text, this_worker uuid, outcomes json, links json) returns uuid[]
language sql security definer set search_path from current as $$
  select commit_outcomes(token, this_worker, outcomes, links, null)
$$;
