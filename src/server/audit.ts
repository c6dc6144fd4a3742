// Who did what through the server, as an Event of the object and a line in the log.
import type { EventRecorder } from '../kube/events.ts';
import type { NamespacedObject } from '../kube/kube-object.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Identity } from './auth/identity.ts';

/** Reasons of the Events; fixed list. */
export type AuditedAction =
  | 'Created'
  | 'Replaced'
  | 'Patched'
  | 'Deleted'
  | 'Suspended'
  | 'Resumed'
  | 'RunRequested'
  | 'Paused'
  | 'StopRequested'
  | 'RetryRequested'
  | 'DeadLettersRequeued'
  | 'DeadLettersCleared';

/** Returns at once: an Event that cannot be written is logged by the recorder and fails no request. */
export type Audit = (action: AuditedAction, object: NamespacedObject, by: Identity, detail?: string) => void;

export function createAudit(events: EventRecorder, logger: Logger): Audit {
  return (action, object, { username }, detail) => {
    const { namespace, name } = object.metadata;
    const more = detail === undefined ? '' : `: ${detail}`;
    logger.info({ action, kind: object.kind, namespace, name, user: username, detail }, 'change through the API');
    events.record(object, { type: 'Normal', reason: action, action, message: `by ${username} through the API${more}` });
  };
}
