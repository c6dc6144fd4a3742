-- The token's run for row-level security; null without a valid token, so that no row is seen.
create or replace function current_run() returns uuid
language sql stable security definer set search_path from current as $$
  select run_id from run_token
  where token_hash = sha256(convert_to(current_setting('trawler.token', true), 'UTF8')) and revoked_at is null
$$;
