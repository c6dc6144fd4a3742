-- Items of pages that were not stored, by reason.
alter table progress add column items_left_out jsonb not null default '{}';
