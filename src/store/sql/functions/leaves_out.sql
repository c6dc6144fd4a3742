-- Whether a run left a source out that another run crawled: a run by hand of one source alone, a source that was switched off or has
-- gone from the spec. The run does not know then what became of that source's pages.
create or replace function leaves_out(this_run uuid, other_run uuid) returns boolean
language sql stable set search_path from current as $$
  select exists (
    select from source o left join source t on t.run_id = this_run and t.name = o.name
    where o.run_id = other_run and o.active and not coalesce(t.active, false))
$$;
