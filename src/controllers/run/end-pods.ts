// Ends pods sooner than their Job does.
import type { Pod } from '../../kube/builtin-types.ts';
import { isConflict } from '../../kube/kube-error.ts';
import type { ResourceClient } from '../../kube/resource-client.ts';
import { hasEnded } from './pods.ts';

/** Of a run that is terminated, in seconds: workers give up their pages at once, and what they have done is stored. */
export const TERMINATE_GRACE_SECONDS = 15;

/** Whether the pod lives and has more time for its end than so many seconds. */
export function endsLaterThan(graceSeconds: number, pod: Pod): boolean {
  const { deletionTimestamp, deletionGracePeriodSeconds = 0 } = pod.metadata;
  return !hasEnded(pod) && (deletionTimestamp === undefined || deletionGracePeriodSeconds > graceSeconds);
}

/** It gets SIGTERM, and SIGKILL after so many seconds. */
export async function endPod(
  pods: ResourceClient<Pod>,
  { metadata }: Pod,
  gracePeriodSeconds: number,
  signal: AbortSignal,
): Promise<void> {
  try {
    await pods.delete(metadata, { preconditions: { uid: metadata.uid }, gracePeriodSeconds, signal });
  } catch (error) {
    if (!isConflict(error)) throw error; // another pod has its name by now
  }
}
