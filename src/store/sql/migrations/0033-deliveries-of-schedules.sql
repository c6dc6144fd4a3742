-- What a schedule has told its receivers, the newest first: a person asks for it.
create index notification_of_schedule on notification (schedule_uid, occurred_at);
