// Troubles of runs and schedules, as people look at them: open until somebody has seen them.
import type pg from 'pg';
import { query } from './connection.ts';
import { withoutNulls } from './without-nulls.ts';

/** Events of the outbox that are no trouble are not among them. */
export type AlertRow = {
  readonly alertId: string;
  readonly event: string;
  readonly occurredAt: Date;
  /** The run that it is about; absent for one about the schedule. */
  readonly run?: string;
  readonly schedule?: string;
  readonly message?: string;
  /** Of a run: the items that it gave. */
  readonly items?: number;
  readonly acknowledgedBy?: string;
  readonly acknowledgedAt?: Date;
  readonly note?: string;
  /** `occurredAt` with all digits, for the cursor. */
  readonly position: string;
};

export type AlertQuery = {
  readonly namespace: string;
  readonly event?: string | undefined;
  readonly schedule?: string | undefined;
  /** Both when left out. */
  readonly isAcknowledged?: boolean | undefined;
  readonly before?: { readonly at: string; readonly id: string } | undefined;
  readonly limit: number;
};

export type Acknowledged = {
  readonly run: string | null;
  readonly schedule: string | null;
  /** Of the run or the schedule. */
  readonly uid: string;
  readonly event: string;
  /** False where somebody has done so before, whose name stays. */
  readonly isNew: boolean;
};

/** Every call rejects with a StoreError. */
export type AlertStore = {
  /** The newest first. */
  alerts(filter: AlertQuery, signal: AbortSignal): Promise<readonly AlertRow[]>;
  /** Undefined where the namespace has no such alert. */
  acknowledge(
    alert: {
      readonly namespace: string;
      readonly alertId: string;
      readonly user: string;
      readonly note?: string | undefined;
    },
    signal: AbortSignal,
  ): Promise<Acknowledged | undefined>;
};

const ALERTS = `
  select n.notification_id as "alertId", n.event, n.occurred_at as "occurredAt", n.payload->>'run' as run,
    coalesce(n.payload->>'schedule', p.spec->>'scheduleName') as schedule, n.payload->>'message' as message,
    (n.payload->>'items')::float8 as items, a.username as "acknowledgedBy", a.at as "acknowledgedAt", a.note,
    n.occurred_at::text as position
  from notification n
  left join alert_acknowledgement a using (notification_id)
  left join run_spec p on p.run_id = n.run_id
  where n.payload->>'namespace' = $1 and n.event not in ('Succeeded', 'Stopped', 'Test')
    and ($2::text is null or n.event = $2)
    and ($3::text is null or coalesce(n.payload->>'schedule', p.spec->>'scheduleName') = $3)
    and ($4::boolean is null or (a.notification_id is not null) = $4)
    and ($5::timestamptz is null or (n.occurred_at, n.notification_id) < ($5::timestamptz, $6::uuid))
  order by n.occurred_at desc, n.notification_id desc limit $7`;

export function createAlertStore(pool: pg.Pool): AlertStore {
  return {
    async alerts({ namespace, event, schedule, isAcknowledged, before, limit }, signal) {
      const filters = [event, schedule, isAcknowledged, before?.at, before?.id].map((value) => value ?? null);
      const rows = await query<AlertRow>(
        pool,
        () => ({ text: ALERTS, values: [namespace, ...filters, limit] }),
        signal,
      );
      return rows.map(withoutNulls);
    },
    async acknowledge({ namespace, alertId, user, note }, signal) {
      const values = [namespace, alertId, user, note ?? null];
      const statement = () => ({ text: 'select acknowledge($1, $2, $3, $4) as alert', values });
      const [row] = await query<{ alert: Acknowledged | null }>(pool, statement, signal);
      return row?.alert ?? undefined;
    },
  };
}
