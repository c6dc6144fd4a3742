-- Which generation of the CrawlRun's spec is in force, and whether its pace at hosts was changed since it was accepted: then
-- workers are told the pace with each turn.
alter table run add column spec_generation bigint, add column is_pace_changed boolean not null default false;
