-- Whether going on is of no use: no page of an active source has succeeded, and the hosts of each have refused so many
-- tries, or it has lost all of its pages to that.
create or replace function all_sources_blocked(token text, enough_refusals int) returns boolean
language plpgsql security definer set search_path from current as $$
declare
  this_run run := run_of_token(token);
begin
  return (
    select bool_and(coalesce(
      counts.succeeded = 0 and (refusals >= enough_refusals or (counts.blocked > 0 and counts.open = 0)), false))
    from source s
    cross join lateral (
      select sum(p.succeeded) as succeeded, sum((failed_by->>'Blocked')::bigint) as blocked,
        sum(discovered - p.succeeded - failed - skipped) as open
      from progress p where p.run_id = s.run_id and p.source_no = s.source_no
    ) counts
    cross join lateral (
      select coalesce(sum(blocks), 0) as refusals
      from lane l join blocked_host b on b.run_id = l.run_id and b.host_id = l.host_id
      where l.run_id = s.run_id and l.source_no = s.source_no
    ) hosts
    where s.run_id = this_run.run_id and s.active
  );
end $$;
