// What the pods of a run tell: which still live, what keeps them from starting, why they ended. Pure functions.
import type { Pod } from '../../kube/builtin-types.ts';
import type { RunReason } from '../../resources/conditions.ts';
import { parseTerminationMessage } from '../../resources/worker-exit.ts';
import { CRAWLER_CONTAINER } from './crawl-job.ts';

const CREATE_FAILURES = ['CreateContainerError', 'CreateContainerConfigError'];
const PULL_FAILURES = ['ErrImagePull', 'ImagePullBackOff', 'InvalidImageName', 'ErrImageNeverPull'];

/** Whether the pod's containers have all ended. A pod that is being deleted may still work for a while. */
export function hasEnded(pod: Pod): boolean {
  return pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
}

/** Why no pod of the run gets to work, when all that live are stuck. */
export function podTrouble(pods: readonly Pod[]): { reason: RunReason; message: string } | undefined {
  for (const pod of pods) {
    if (hasEnded(pod)) continue;
    const waiting = pod.status?.containerStatuses?.find((status) => status.name === CRAWLER_CONTAINER)?.state?.waiting;
    if (waiting?.reason && PULL_FAILURES.includes(waiting.reason)) {
      const image = pod.spec?.containers[0]?.image;
      return { reason: 'ImagePullFailed', message: `cannot pull ${image}: ${waiting.message ?? waiting.reason}` };
    }
    if (waiting?.reason && CREATE_FAILURES.includes(waiting.reason)) {
      return { reason: 'ContainerRefused', message: refusal(pod, waiting.message ?? waiting.reason) };
    }
    const scheduled = pod.status?.conditions?.find((condition) => condition.type === 'PodScheduled');
    if (scheduled?.status === 'False') {
      return {
        reason: 'Unschedulable',
        message: `no node takes pod ${pod.metadata.name}: ${scheduled.message ?? scheduled.reason}`,
      };
    }
  }
  return undefined;
}

/** Why the node does not make the pod's container, and what to do where that is known. */
function refusal(pod: Pod, message: string): string {
  const refused = `node ${pod.spec?.nodeName ?? 'unknown'} cannot start pod ${pod.metadata.name}: ${message}`;
  if (!message.includes('seccomp')) return refused;
  return `${refused}: put the profile there (docs/browser-sandbox.md), or set spec.browser.sandbox to false`;
}

/** What a worker said when it found that every source refuses the crawl; undefined when none did. */
export function saidBlocked(pods: readonly Pod[]): string | undefined {
  const said = pods.map((pod) => parseTerminationMessage(terminationOf(pod)?.message));
  return said.find((one) => one?.reason === 'Blocked')?.message;
}

/** What the database said to a worker that it did not let in; undefined when the pod ended otherwise, or has not. */
export function loginRefusal(pod: Pod): string | undefined {
  const said = parseTerminationMessage(terminationOf(pod)?.message);
  return said?.reason === 'LoginRefused' ? said.message : undefined;
}

function terminationOf(pod: Pod | undefined) {
  return pod?.status?.containerStatuses?.find((status) => status.name === CRAWLER_CONTAINER)?.state?.terminated;
}

/** Why the run's pods ended, of the newest that failed: what the worker said itself, else what the kubelet saw. */
export function lastFailure(pods: readonly Pod[]): string | undefined {
  const [newest] = pods
    .filter((pod) => pod.status?.phase === 'Failed')
    .toSorted(
      (a, b) => Date.parse(b.metadata.creationTimestamp ?? '') - Date.parse(a.metadata.creationTimestamp ?? ''),
    );
  const ended = terminationOf(newest);
  const said = parseTerminationMessage(ended?.message);
  if (said) return `${said.reason}: ${said.message}`;
  if (ended)
    return `pod ${newest?.metadata.name} ended with exit code ${ended.exitCode} (${ended.reason ?? 'no reason'})`;
  return newest?.status?.message ?? newest?.status?.reason;
}
