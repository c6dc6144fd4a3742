// Who a token is: the functions that every other right rests on.

/** The token's run for row-level security; null without a valid token, so that no row is seen. */
export const currentRun = `
create or replace function current_run() returns uuid
language sql stable security definer set search_path from current as $$
  select run_id from run_token
  where token_hash = sha256(convert_to(current_setting('trawler.token', true), 'UTF8')) and revoked_at is null
$$`;

/** The token's run for the functions of workers. Refuses unknown and revoked tokens with TR001. */
const runOfToken = `
create or replace function run_of_token(token text) returns run
language plpgsql stable set search_path from current as $$
declare
  found_run run;
begin
  select run.* into found_run from run_token join run using (run_id)
  where token_hash = sha256(convert_to(token, 'UTF8')) and revoked_at is null;
  if not found then
    raise exception 'the run token is unknown or revoked' using errcode = 'TR001';
  end if;
  return found_run;
end $$`;

/** As run_of_token, for what a finished run refuses (TR002). */
const liveRunOfToken = `
create or replace function live_run_of_token(token text) returns run
language plpgsql stable set search_path from current as $$
declare
  found_run run := run_of_token(token);
begin
  if found_run.finished_at is not null then
    raise exception 'the run is finished' using errcode = 'TR002';
  end if;
  return found_run;
end $$`;

/**
 * Claims of a run hold this lock shared while its page limit is far, and alone when it is near or when the run is being
 * ended: whoever holds it alone sees every claim that was ever made.
 */
const claimLock = `
create or replace function claim_lock(run_id uuid) returns bigint
language sql immutable set search_path from current as $$
  select hashtextextended('trawler claims ' || run_id, 0)
$$`;

export const rightsFunctions = [currentRun, runOfToken, liveRunOfToken, claimLock];
