-- Webhooks are told of schedules, too, and of what happens while a run is at work. An event of a schedule belongs to no run:
-- it is known by what `occasion` says, so that it is written once.
alter table notification alter column run_id drop not null;
alter table notification add column occasion text;
alter table notification drop constraint notification_event_check;
alter table notification add constraint notification_of_run_or_schedule check ((run_id is null) = (occasion is not null));
create unique index notification_occasion on notification (schedule_uid, event, occasion);
