-- What a comparison has counted, as JSON for the summary of the run and for its notifications; null without an earlier run.
create or replace function comparison_counts(of_run uuid) returns jsonb
language sql stable set search_path from current as $$
  select jsonb_build_object(
    'with', (select name from run where run_id = c.earlier_run), 'specChanged', spec_changed,
    'urls', jsonb_build_object('new', urls_new, 'changed', urls_changed, 'unchanged', urls_unchanged, 'gone', urls_gone,
      'unseen', urls_unseen),
    'items', jsonb_build_object('new', items_new, 'changed', items_changed, 'unchanged', items_unchanged,
      'gone', items_gone),
    'leftOutRows', left_out_rows)
  from comparison c where run_id = of_run and earlier_run is not null
$$;
