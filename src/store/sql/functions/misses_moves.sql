-- Whether links of a page of the source were left out by a worker that did not know all of the source's moves.
create or replace function misses_moves(run_id uuid, source_no smallint, facts jsonb) returns boolean
language sql stable set search_path from current as $$
  select misses_moves.facts ? 'scopeMoves' and (misses_moves.facts->>'scopeMoves')::int < (
    select count(*) from moved_place m
    where m.run_id = misses_moves.run_id and m.source_no = misses_moves.source_no);
$$;
