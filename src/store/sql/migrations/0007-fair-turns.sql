-- Runs that share a host take turns by what each has had so far, weighted by their priority.

-- What it has had there: milliseconds of the host's time, divided by its weight. Only differences count.
alter table host_share add column served_ms double precision not null default 0;
-- Whether it would take a turn now, if others did not use the host.
alter table host_share add column waits boolean not null default false;
-- Until then its status says that it waits because others use the host.
alter table host_share add column held_until timestamptz not null default '-infinity';
alter table host_share drop column fair_ms;
update host_share set paced_at = next_at where paced_at = '-infinity';
comment on column host_share.next_at is 'the earliest time of its next turn';
comment on column host_share.paced_at is 'when its next turn is due by its own pace';

-- served_from is what counts as served before this claim, served_to how far it may go while others wait.
alter type host_turns add attribute served_from double precision, add attribute served_to double precision;
