-- Whether links of a page were left out for a depth limit below that of the run now. The number comes from a worker: what is no
-- number misses nothing.
create or replace function misses_depth(this_run run, facts jsonb) returns boolean
language sql immutable set search_path from current as $$
  select case jsonb_typeof(facts->'maxDepth')
    when 'number' then (facts->>'maxDepth')::numeric < coalesce(this_run.max_depth, 32767)
    else false
  end;
$$;
