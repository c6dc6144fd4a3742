-- Drops hosts after the given one that nobody has asked since a day, so many at most, with what was learnt of them, as JSON {last,
-- hosts, learnt}: the last one that was looked at, null at the end, and how many hosts and facts learnt of others were dropped.
-- Live runs that are older keep theirs.
create or replace function forget_hosts(first_kept date, after bigint, most int) returns json
language plpgsql set search_path from current as $$
declare
  last_looked bigint;
  hosts int;
  robots_dropped int;
  renderings_dropped int;
begin
  select max(host_id) into last_looked from (
    select host_id from host where host_id > after order by host_id limit most) part;
  delete from host h using (
    select host_id from host where host_id > after and host_id <= last_looked
      and greatest(next_at, used_at, proxy_until) < first_kept
      and not exists (
        select from run r join lane l using (run_id)
        where r.finished_at is null and r.run_day < first_kept and l.host_id = host.host_id)
    order by host_id for update skip locked) stale
  where h.host_id = stale.host_id;
  get diagnostics hosts = row_count;
  delete from robots where host_id > after and host_id <= last_looked and fetched_at < first_kept;
  get diagnostics robots_dropped = row_count;
  delete from host_rendering where host_id > after and host_id <= last_looked and checked_at < first_kept;
  get diagnostics renderings_dropped = row_count;
  return json_build_object('last', last_looked, 'hosts', hosts, 'learnt', robots_dropped + renderings_dropped);
end $$;
