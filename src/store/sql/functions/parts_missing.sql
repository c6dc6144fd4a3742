-- What a page that was stored lacks, by the facts of its fetch: PARTS_MISSING of the workers' protocol.
-- commit_outcomes calls it only where there is one of these facts: it lists them, too.
create or replace function parts_missing(facts jsonb) returns text[]
language sql immutable set search_path from current as $$
  select array_remove(array[
    case when jsonb_exists(facts, 'screenshotError') then 'NoScreenshot' end,
    case when jsonb_exists(facts, 'unfinished') then 'NotFullyLoaded' end,
    case when jsonb_exists(facts, 'truncated') then 'Truncated' end
  ], null);
$$;
