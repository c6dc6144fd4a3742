-- A person takes back what was learnt of a host against it: its slowness, its failures in a row and the time for which it goes by
-- the proxy. For every run of the namespace, as all of them share the host. Returns JSON: what it was, {slowdown, proxyUntil};
-- null where the live run does not know the host.
create or replace function reset_host(of_run uuid, host_name text) returns json
language plpgsql security definer set search_path from current as $$
declare
  id bigint;
  h host;
begin
  select o.host_id into id from run r join host o on o.scope = r.host_scope and o.name = host_name
  where r.run_id = of_run and r.finished_at is null
    and (exists (select from lane l where l.run_id = r.run_id and l.host_id = o.host_id)
      or exists (select from blocked_host b where b.run_id = r.run_id and b.host_id = o.host_id));
  select * into h from host where host_id = id for no key update;
  if not found then
    return null;
  end if;
  update host set slowdown = 1, good_answers = 0, failures = 0, proxy_until = '-infinity' where host_id = id;
  return json_build_object('slowdown', h.slowdown,
    'proxyUntil', case when h.proxy_until > clock_timestamp() then to_json(h.proxy_until) end);
end $$;
