// Deliveries of notifications as the API server may read them, and have them sent by its functions alone.
import type pg from 'pg';
import { query } from './connection.ts';
import type { Delivery } from './delivery-store.ts';
import { withoutNulls } from './without-nulls.ts';

export type DeliveryState = Delivery['state'];

/** With all digits of its time, for the cursor. */
export type DeliveryRow = Delivery & { readonly position: string };

export type DeliveryQuery = {
  readonly scheduleUid: string;
  readonly state?: DeliveryState | undefined;
  readonly target?: string | undefined;
  readonly notificationId?: string | undefined;
  readonly before?: { readonly at: string; readonly id: string; readonly target: string } | undefined;
  readonly limit: number;
};

/** Every call rejects with a StoreError. */
export type ServerDeliveries = {
  /** The newest first. */
  deliveries(filter: DeliveryQuery, signal: AbortSignal): Promise<readonly DeliveryRow[]>;
  /** Has it tried again; what it was before, undefined where there is none. One that is pending stays as it is. */
  redeliver(
    scheduleUid: string,
    notificationId: string,
    target: string,
    signal: AbortSignal,
  ): Promise<DeliveryState | undefined>;
  /** Has an event Test sent to one receiver; the id of the message. */
  sendTest(
    scheduleUid: string,
    target: string,
    payload: Readonly<Record<string, unknown>>,
    signal: AbortSignal,
  ): Promise<string>;
};

const DELIVERIES = `
  select n.notification_id as "notificationId", n.event, n.occurred_at as "occurredAt", n.payload->>'run' as run, d.target,
    d.state, d.tries, case d.state when 'pending' then d.next_at end as "nextAt", d.tried_at as "triedAt", d.status, d.error,
    n.occurred_at::text as position
  from notification n join delivery d using (notification_id)
  where n.schedule_uid = $1 and ($2::text is null or d.state = $2) and ($3::text is null or d.target = $3)
    and ($4::timestamptz is null or (n.occurred_at, n.notification_id) < ($4::timestamptz, $5::uuid)
      or (n.occurred_at, n.notification_id) = ($4::timestamptz, $5::uuid) and d.target > $6)
    and ($7::uuid is null or n.notification_id = $7)
  order by n.occurred_at desc, n.notification_id desc, d.target limit $8`;

export function createServerDeliveries(pool: pg.Pool): ServerDeliveries {
  return {
    async deliveries({ scheduleUid, state, target, notificationId, before, limit }, signal) {
      const place = [before?.at ?? null, before?.id ?? null, before?.target ?? null];
      const values = [scheduleUid, state ?? null, target ?? null, ...place, notificationId ?? null, limit];
      const rows = await query<DeliveryRow>(pool, () => ({ text: DELIVERIES, values }), signal);
      return rows.map(withoutNulls);
    },
    async redeliver(scheduleUid, notificationId, target, signal) {
      const values = [scheduleUid, notificationId, target];
      const statement = () => ({ text: 'select redeliver($1, $2, $3) as was', values });
      const [row] = await query<{ was: DeliveryState | null }>(pool, statement, signal);
      return row?.was ?? undefined;
    },
    async sendTest(scheduleUid, target, payload, signal) {
      const values = [scheduleUid, target, JSON.stringify(payload)];
      const statement = () => ({ text: 'select send_test($1, $2, $3) as id', values });
      const [row] = await query<{ id: string }>(pool, statement, signal);
      return row?.id ?? '';
    },
  };
}
