-- A delivery that was made, given up or switched off is to be tried again, as if it were new; its receiver is asked again also where
-- it has answered 410. Returns what it was: pending ones stay as they are. Null where there is none.
--
-- Locks in order: delivery, disabled_target.
create or replace function redeliver(of_schedule uuid, of_notification uuid, of_target text) returns text
language plpgsql security definer set search_path from current as $$
declare
  was text;
begin
  select d.state into was from notification n join delivery d using (notification_id)
  where n.notification_id = of_notification and n.schedule_uid = of_schedule and d.target = of_target
  for update of d;
  if was is null or was = 'pending' then
    return was;
  end if;
  update delivery set state = 'pending', tries = 0, next_at = clock_timestamp(), status = null, error = null
  where notification_id = of_notification and target = of_target;
  delete from disabled_target where schedule_uid = of_schedule and target = of_target;
  return was;
end $$;
