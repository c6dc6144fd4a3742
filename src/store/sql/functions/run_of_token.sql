-- The token's run for the functions of workers. Refuses unknown and revoked tokens with TR001.
create or replace function run_of_token(token text) returns run
language plpgsql stable set search_path from current as $$
declare
  found_run run;
begin
  select run.* into found_run from run_token join run using (run_id)
  where run_token.token_hash = token_hash(token) and revoked_at is null;
  if not found then
    raise exception 'the run token is unknown or revoked' using errcode = 'TR001';
  end if;
  return found_run;
end $$;
