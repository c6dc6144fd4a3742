// Deliveries of notifications, as people look at them and send them again.
import { type Kysely, type RawBuilder, sql } from 'kysely';
import type { Delivery, DeliveryFilter, DeliveryStore } from './delivery-store.ts';
import type { Database } from './schema.ts';
import { withoutNulls } from './without-nulls.ts';

type Guard = <T>(signal: AbortSignal, call: () => Promise<T>) => Promise<T>;

/** @param guarded turns errors into StoreErrors */
export function createDeliveryStore(db: Kysely<Database>, guarded: Guard): DeliveryStore {
  return {
    list: ({ limit, ...filter }, signal) =>
      guarded(signal, async () => {
        const { rows } = await sql<Delivery>`
          select n.notification_id as "notificationId", n.event, n.occurred_at as "occurredAt", n.payload->>'run' as run,
            d.target, d.state, d.tries, case when d.state = 'pending' then d.next_at end as "nextAt",
            d.tried_at as "triedAt", d.status, d.error
          from notification n join delivery d using (notification_id)
          where ${matches(filter)} order by n.occurred_at desc, d.target limit ${limit}`.execute(db, { signal });
        return rows.map(withoutNulls);
      }),
    redeliver: (filter, signal) =>
      guarded(signal, async () => {
        const isNamed = filter.notificationId !== undefined;
        // A statement sees no row of another one: both read what was there before.
        const { rows } = await sql<{ n: number }>`
          with wanted as (
            select n.notification_id, d.target from notification n join delivery d using (notification_id)
            where ${matches(filter)} and (${isNamed} or d.state in ('failed', 'disabled'))
            order by n.notification_id, d.target for update of d
          ), enabled as (
            delete from disabled_target t using wanted w where t.schedule_uid = ${filter.scheduleUid}::uuid and t.target = w.target
          ), again as (
            update delivery d set state = 'pending', tries = 0, next_at = clock_timestamp()
            from wanted w where d.notification_id = w.notification_id and d.target = w.target returning 1
          )
          select count(*)::int as n from again`.execute(db, { signal });
        return rows[0]?.n ?? 0;
      }),
    sendTest: ({ scheduleUid, target, payload }, signal) =>
      guarded(signal, async () => {
        const { rows } = await sql<{ id: string }>`
          with test as (
            insert into notification (schedule_uid, event, occasion, payload, routed_at)
            values (${scheduleUid}::uuid, 'Test', gen_random_uuid()::text, ${JSON.stringify(payload)}::jsonb, clock_timestamp())
            returning notification_id
          )
          insert into delivery (notification_id, target) select notification_id, ${target} from test
          returning notification_id as id`.execute(db, { signal });
        const [row] = rows;
        if (row === undefined) throw new Error('the test was not written');
        return row.id;
      }),
  };
}

function matches({ scheduleUid, notificationId, target, state }: DeliveryFilter): RawBuilder<unknown> {
  const ofNotification = notificationId === undefined ? sql`` : sql`and n.notification_id = ${notificationId}::uuid`;
  const toTarget = target === undefined ? sql`` : sql`and d.target = ${target}`;
  const inState = state === undefined ? sql`` : sql`and d.state = ${state}`;
  return sql`n.schedule_uid = ${scheduleUid}::uuid ${ofNotification} ${toTarget} ${inState}`;
}
