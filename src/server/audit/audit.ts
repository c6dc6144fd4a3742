// Who did what through the server: an Event of the object, a line in the log, and a row that stays when both are gone.
import { randomUUID } from 'node:crypto';
import type { EventRecorder } from '../../kube/events.ts';
import type { NamespacedObject } from '../../kube/kube-object.ts';
import type { AuditEntry } from '../../store/audit-store.ts';
import type { Logger } from '../../telemetry/logger.ts';
import type { Caller } from '../auth/identity.ts';
import { differenceOf } from './difference.ts';

/** Reasons of the Events; fixed list. */
export const AUDITED_ACTIONS = [
  'Created',
  'Replaced',
  'Patched',
  'Deleted',
  'Suspended',
  'Resumed',
  'RunRequested',
  'Paused',
  'StopRequested',
  'RetryRequested',
  'DeadLettersRequeued',
  'DeadLettersCleared',
  'HostReset',
  'Redelivered',
  'NotificationTested',
  'Acknowledged',
  'PlanApproved',
  'Cancelled',
  'TokenCreated',
  'TokenRevoked',
] as const;
export type AuditedAction = (typeof AUDITED_ACTIONS)[number];

type Audited = NamespacedObject & { readonly spec?: object };

export type AuditDetails = {
  /** For people. */
  readonly detail?: string | undefined;
  /** The object as it was; absent for one that was made. */
  readonly before?: Audited;
};

/**
 * Returns at once and fails no request: what it tells has happened already.
 * @param object as it is now; one that was deleted as it was
 */
export type Audit = (action: AuditedAction, object: Audited, by: Caller, details?: AuditDetails) => void;

type AuditOptions = {
  readonly events: EventRecorder;
  /** Takes entries, to be written in their order. */
  readonly write: (entry: AuditEntry) => void;
  readonly logger: Logger;
  readonly now: () => Date;
};

export function createAudit({ events, write, logger, now }: AuditOptions): Audit {
  return (action, object, { username, origin }, { detail, before } = {}) => {
    const { namespace, name, uid } = object.metadata;
    const more = detail === undefined ? '' : `: ${detail}`;
    logger.info(
      { action, kind: object.kind, namespace, name, user: username, origin, detail },
      'change through the API',
    );
    events.record(object, { type: 'Normal', reason: action, action, message: `by ${username} through the API${more}` });
    const after = action === 'Deleted' ? undefined : object;
    write({
      ...{
        id: randomUUID(),
        at: now().toISOString(),
        namespace,
        kind: object.kind ?? '',
        name,
        uid,
        action,
        user: username,
      },
      ...(origin === undefined ? {} : { origin }),
      ...(detail === undefined ? {} : { detail }),
      ...differenceOf(action === 'Deleted' ? object : before, after),
    });
  };
}
