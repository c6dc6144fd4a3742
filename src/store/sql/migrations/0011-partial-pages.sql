-- Pages that were stored without a part of what was wanted, by what they lack.
alter table progress add column partial_pages jsonb not null default '{}';
