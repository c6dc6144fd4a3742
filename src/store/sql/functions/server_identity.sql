-- What changes when another server, another history of this one, or a restarted one answers: a failover or a restore may
-- have lost the last commits, and a pooler in between would not show it.
create or replace function server_identity() returns text
language plpgsql stable set search_path from current as $$
begin
  return concat_ws('/', extract(epoch from pg_postmaster_start_time()),
    left(pg_walfile_name(pg_current_wal_insert_lsn()), 8));
end $$;
