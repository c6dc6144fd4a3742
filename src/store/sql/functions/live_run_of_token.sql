-- As run_of_token, for what a finished run refuses (TR002).
create or replace function live_run_of_token(token text) returns run
language plpgsql stable set search_path from current as $$
declare
  found_run run := run_of_token(token);
begin
  if found_run.finished_at is not null then
    raise exception 'the run is finished' using errcode = 'TR002';
  end if;
  return found_run;
end $$;
