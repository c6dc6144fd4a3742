-- Whether a run that has ended has fewer or more items than its spec expects, or too few items have a field of it. Of no items nothing is
-- asked: that is another event. A retry of a part has only a part of them.
create or replace function misses_expectation(of_run uuid) returns boolean
language sql stable set search_path from current as $$
  select coalesce(bool_or(c.items < (s.spec #>> '{expect,items,min}')::bigint
    or c.items > (s.spec #>> '{expect,items,max}')::bigint
    or exists (
      select from jsonb_array_elements(s.spec #> '{expect,fields}') f(field)
      where c.items * (f.field ->> 'minPercent')::numeric > 100 * (
        select coalesce(sum((p.field_counts ->> (f.field ->> 'name'))::bigint), 0) from progress p where p.run_id = of_run))), false)
  from run_spec s
    cross join lateral (select coalesce(sum(items), 0) as items from progress where run_id = of_run) c
  where s.run_id = of_run and coalesce(s.spec #>> '{trigger,only}', 'All') = 'All'
    and s.spec #> '{trigger,sources}' is null
$$;
