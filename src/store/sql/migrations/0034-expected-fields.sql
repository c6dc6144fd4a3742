-- The fields that a run is expected to give (spec.expect.fields), and how many of its items have each of them. Nothing is counted for
-- runs that expect none.
alter table run add column expected_fields text[] check (cardinality(expected_fields) between 1 and 20);
alter table progress add column field_counts jsonb not null default '{}';
