// The outbox of notifications: events that runs and schedules have left, their deliveries, and what became of these.
import { type Kysely, sql } from 'kysely';
import type { Notification, NotificationStore } from './notification-store.ts';
import type { Database } from './schema.ts';

type Guard = <T>(signal: AbortSignal, call: () => Promise<T>) => Promise<T>;

/** A message has the counts of its run's comparison, unless that takes longer: seconds. */
const COMPARED_WITHIN = 600;

type Row = {
  notification_id: string;
  schedule_uid: string;
  event: string;
  occurred_at: Date;
  payload: Record<string, unknown>;
};

/** @param guarded turns errors into StoreErrors */
export function createNotificationStore(db: Kysely<Database>, guarded: Guard): NotificationStore {
  return {
    noteOfSchedule: ({ scheduleUid, event, occasion, payload }, signal) =>
      guarded(signal, async () => {
        await sql`
          insert into notification (schedule_uid, event, occasion, payload)
          values (${scheduleUid}::uuid, ${event}, ${occasion}, ${JSON.stringify(payload)}::jsonb)
          on conflict (schedule_uid, event, occasion) do nothing`.execute(db, { signal });
      }),
    unrouted: (limit, signal) =>
      guarded(signal, async () => {
        const { rows } = await sql<Row>`
          select notification_id, schedule_uid, event, occurred_at, payload from notification n
          where routed_at is null and (occurred_at < now() - ${COMPARED_WITHIN} * interval '1 s' or not exists (
            select from comparison c where c.run_id = n.run_id and c.finished_at is null))
          order by occurred_at limit ${limit}`.execute(db, { signal });
        return rows.map(notificationOf);
      }),
    route: (notificationId, targets, signal) =>
      guarded(signal, async () => {
        await sql`
          with routed as (
            update notification set routed_at = clock_timestamp()
            where notification_id = ${notificationId}::uuid returning notification_id
          )
          insert into delivery (notification_id, target)
          select notification_id, target from routed cross join unnest(${[...targets]}::text[]) target
          on conflict do nothing`.execute(db, { signal });
      }),
    dueDeliveries: (limit, signal) =>
      guarded(signal, async () => {
        const { rows } = await sql<Row & { target: string; tries: number }>`
          select n.notification_id, n.schedule_uid, n.event, n.occurred_at, n.payload, d.target, d.tries
          from delivery d join notification n using (notification_id)
          where d.state = 'pending' and d.next_at <= clock_timestamp() order by d.next_at limit ${limit}`.execute(db, {
          signal,
        });
        return rows.map((row) => ({ ...notificationOf(row), target: row.target, tries: row.tries }));
      }),
    record: ({ notificationId, target }, { state, status, error, retryInMs }, signal) =>
      guarded(signal, async () => {
        await sql`
          update delivery set state = ${state}, tries = tries + 1, tried_at = clock_timestamp(),
            status = ${status ?? null}, error = ${error ?? null},
            next_at = clock_timestamp() + ${retryInMs ?? 0} * interval '1 ms'
          where notification_id = ${notificationId}::uuid and target = ${target}`.execute(db, { signal });
      }),
    disable: (scheduleUid, target, urlHash, signal) =>
      guarded(signal, async () => {
        await sql`
          insert into disabled_target (schedule_uid, target, url_hash) values (${scheduleUid}::uuid, ${target}, ${urlHash})
          on conflict (schedule_uid, target) do update
            set url_hash = excluded.url_hash, disabled_at = clock_timestamp()`.execute(db, { signal });
      }),
    isDisabled: (scheduleUid, target, urlHash, signal) =>
      guarded(signal, async () => {
        const { rows } = await sql`
          select from disabled_target
          where schedule_uid = ${scheduleUid}::uuid and target = ${target} and url_hash = ${urlHash}`.execute(db, {
          signal,
        });
        return rows.length > 0;
      }),
    forget: (days, signal) =>
      guarded(signal, async () => {
        const { numAffectedRows } = await sql`
          delete from notification n
          where routed_at < now() - ${days} * interval '1 day'
            and not exists (select from delivery d where d.notification_id = n.notification_id and d.state = 'pending')`.execute(
          db,
          { signal },
        );
        return Number(numAffectedRows ?? 0);
      }),
  };
}

function notificationOf(row: Row): Notification {
  return {
    notificationId: row.notification_id,
    scheduleUid: row.schedule_uid,
    event: row.event,
    occurredAt: row.occurred_at,
    payload: row.payload,
  };
}
