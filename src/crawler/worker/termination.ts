// The message that Kubernetes keeps of a worker's end, beside its exit code. The run controller reads both.
import { existsSync, writeFileSync } from 'node:fs';
import type { TerminationReason } from '../../resources/worker-exit.ts';

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
