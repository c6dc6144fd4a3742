-- What changes when another server, another history of this one, or a restarted one answers: a failover or a restore may
-- have lost the last commits, and a pooler in between would not show it. A server that still recovers answers before it
-- can be written to, and has no timeline of its own yet: 25006, which callers take as a database that is away.
-- A server whose backend crashed goes on as the same process, and may have lost the last commits with synchronous_commit = off:
-- its statistics begin anew then.
create or replace function server_identity() returns text
language plpgsql stable set search_path from current as $$
begin
  if pg_is_in_recovery() then
    raise exception 'the database is a standby or is being restored, and takes no changes yet' using errcode = '25006';
  end if;
  return concat_ws('/', extract(epoch from pg_postmaster_start_time()),
    extract(epoch from pg_stat_get_bgwriter_stat_reset_time()),
    left(pg_walfile_name(pg_current_wal_insert_lsn()), 8));
end $$;
