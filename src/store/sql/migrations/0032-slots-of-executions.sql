-- How the runs for times of a schedule ended: a backfill asks for a range of them.
create index execution_of_slot on execution (schedule_uid, scheduled_time) where scheduled_time is not null;
