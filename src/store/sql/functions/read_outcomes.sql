-- The rows of a commit. rows 1 is for the planner: as long as it takes them for few, it looks each of them up.
create or replace function read_outcomes(outcomes json) returns table (
  key uuid, token uuid, type text, reason text, cause text, message text, delay_ms double precision, facts jsonb,
  items jsonb, left_out jsonb, items_left_out jsonb, judged_by int)
language plpgsql stable rows 1 set search_path from current as $$
begin
  return query select * from json_to_recordset(outcomes) as o(
    key uuid, token uuid, type text, reason text, cause text, message text, "delayMs" double precision, facts jsonb,
    items jsonb, "leftOut" jsonb, "itemsLeftOut" jsonb, "judgedBy" int);
end $$;
