-- The token's run for the functions of workers. Refuses unknown and revoked tokens with TR001.
create or replace function run_of_token(token text) returns run
language plpgsql stable set search_path from current as $$
declare
  hash constant bytea := token_hash(token);
  found_run run;
begin
  select * into found_run from run
  where run_id = (select t.run_id from run_token t where t.token_hash = hash and t.revoked_at is null);
  if not found then
    raise exception 'the run token is unknown or revoked' using errcode = 'TR001';
  end if;
  return found_run;
end $$;
