// Troubles of runs and schedules, as people look at them: open until somebody has seen them.
import type pg from 'pg';
import { query, type Statement } from './connection.ts';
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

/** Of an event of a run its spec says it. */
const SCHEDULE = `coalesce(n.payload->>'schedule', (select p.spec->>'scheduleName' from run_spec p where p.run_id = n.run_id))`;

/**
 * The page is cut first, and what is shown beside its rows looked up row by row: joined at once, all specs that are kept would be read for
 * it. The order names what the index begins with, too: under row security PostgreSQL does not see by itself that it is the same in all rows, and
 * would sort all alerts of the namespace.
 */
function alertsStatement({ namespace, event, schedule, isAcknowledged, before, limit }: AlertQuery): Statement {
  const values: unknown[] = [namespace, limit];
  const given = (value: unknown) => `$${values.push(value)}`;
  const isSeen = isAcknowledged === undefined ? '' : `and n.is_acknowledged = ${given(isAcknowledged)}`;
  const ofEvent = event === undefined ? '' : `and n.event = ${given(event)}`;
  const ofSchedule = schedule === undefined ? '' : `and ${SCHEDULE} = ${given(schedule)}`;
  const older =
    before === undefined
      ? ''
      : `and (n.occurred_at, n.notification_id) < (${given(before.at)}::timestamptz, ${given(before.id)}::uuid)`;
  const text = `
  with page as materialized (
    select * from notification n
    where n.payload->>'namespace' = $1 and n.event not in ('Succeeded', 'Stopped', 'Test') ${isSeen} ${ofEvent} ${ofSchedule} ${older}
    order by n.payload->>'namespace' desc, ${isAcknowledged === undefined ? '' : 'n.is_acknowledged desc,'}
      n.occurred_at desc, n.notification_id desc
    limit $2
  )
  select n.notification_id as "alertId", n.event, n.occurred_at as "occurredAt", n.payload->>'run' as run,
    ${SCHEDULE} as schedule, n.payload->>'message' as message, (n.payload->>'items')::float8 as items,
    a.username as "acknowledgedBy", a.at as "acknowledgedAt", a.note, n.occurred_at::text as position
  from page n
  left join lateral (select * from alert_acknowledgement a where a.notification_id = n.notification_id limit 1) a on true
  order by n.occurred_at desc, n.notification_id desc`;
  return { text, values };
}

export function createAlertStore(pool: pg.Pool): AlertStore {
  return {
    async alerts(wanted, signal) {
      const rows = await query<AlertRow>(pool, () => alertsStatement(wanted), signal);
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
