-- Whether a run that has ended has fewer or more items than its spec expects. A retry of a part has only a part of them.
create or replace function misses_expectation(of_run uuid) returns boolean
language sql stable set search_path from current as $$
  select coalesce(bool_or(c.items < (s.spec #>> '{expect,items,min}')::bigint
    or c.items > (s.spec #>> '{expect,items,max}')::bigint), false)
  from run_spec s
    cross join lateral (select coalesce(sum(items), 0) as items from progress where run_id = of_run) c
  where s.run_id = of_run and coalesce(s.spec #>> '{trigger,only}', 'All') = 'All'
    and s.spec #> '{trigger,sources}' is null
$$;
