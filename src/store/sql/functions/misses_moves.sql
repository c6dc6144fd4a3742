-- Whether links of a page of the source were left out by a worker that did not know all of the source's moves. The number
-- comes from a worker: what is no number misses nothing.
create or replace function misses_moves(run_id uuid, source_no smallint, facts jsonb) returns boolean
language sql stable set search_path from current as $$
  select case jsonb_typeof(misses_moves.facts->'scopeMoves')
    when 'number' then (misses_moves.facts->>'scopeMoves')::numeric < (
      select count(*) from moved_place m
      where m.run_id = misses_moves.run_id and m.source_no = misses_moves.source_no)
    else false
  end;
$$;
