// How a worker's process ends: exit codes and the message that Kubernetes keeps of it. The Job's failure policy and the
// run controller read both.
import { existsSync, writeFileSync } from 'node:fs';

export const EXIT = {
  /** Postgres says that the run is finished. */
  finished: 0,
  /** The spec or the configuration cannot be worked with; no other pod could either. */
  badSpec: 64,
  /** The run's token is refused: the run is gone or over. */
  tokenRefused: 65,
  /** Every source refuses the crawl, from this address and any other pod's. */
  blocked: 66,
  /** An unexpected exception; another pod may fare better. */
  crashed: 70,
  /** Postgres was away for too long. */
  databaseAway: 75,
  /** Stopped before the run was finished, everything committed. */
  stopped: 143,
} as const;

/** Fixed list: why a worker ended before its run was finished. */
export type TerminationReason =
  | 'BadConfiguration'
  | 'SpecTooNew'
  | 'BadSpec'
  | 'SchemaMismatch'
  | 'TokenRefused'
  | 'Blocked'
  | 'DatabaseAway'
  | 'LoginRefused'
  | 'Stopped'
  | 'OutOfMemory'
  | 'Stalled'
  | 'Crashed';

const TERMINATION_LOG = '/dev/termination-log';
/** Kubernetes keeps 4,096 bytes. */
const MAX_MESSAGE_LENGTH = 2_000;

/** Leaves `{reason, message}` as JSON where the kubelet looks for it; outside of a pod there is no such place. */
export function writeTerminationMessage(reason: TerminationReason, message: string): void {
  if (!existsSync(TERMINATION_LOG)) return;
  try {
    writeFileSync(TERMINATION_LOG, JSON.stringify({ reason, message: message.slice(0, MAX_MESSAGE_LENGTH) }));
  } catch (error) {
    // The exit code still tells the controller; this is only the sentence that goes with it.
    console.error(`cannot write ${TERMINATION_LOG}: ${String(error)}`);
  }
}
