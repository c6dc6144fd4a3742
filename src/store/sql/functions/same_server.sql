-- Refuses a call that builds on what another server answered (TR003); its detail is the identity of this one. A worker
-- that knows of none yet passes null.
create or replace function same_server(known text) returns void
language plpgsql stable set search_path from current as $$
begin
  if known <> server_identity() then
    raise exception 'the database is another one than before, or was restarted'
      using errcode = 'TR003', detail = server_identity();
  end if;
end $$;
