-- Whether a run that is stopped waits for no page.
alter table run add column terminates boolean not null default false;
