// What the pods of a run tell: which still live, and why they ended. Pure functions.
import type { Pod } from '../../kube/builtin-types.ts';
import { parseTerminationMessage } from '../../resources/worker-exit.ts';
import { CRAWLER_CONTAINER } from './crawl-job.ts';

/** Whether the pod's containers have all ended. A pod that is being deleted may still work for a while. */
export function hasEnded(pod: Pod): boolean {
  return pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
}

/** What a worker said when it found that every source refuses the crawl; undefined when none did. */
export function saidBlocked(pods: readonly Pod[]): string | undefined {
  const said = pods.map((pod) => parseTerminationMessage(terminationOf(pod)?.message));
  return said.find((one) => one?.reason === 'Blocked')?.message;
}

function terminationOf(pod: Pod | undefined) {
  return pod?.status?.containerStatuses?.find((status) => status.name === CRAWLER_CONTAINER)?.state?.terminated;
}

export function newestFirst(pods: readonly Pod[]): Pod[] {
  const createdAt = (pod: Pod) => Date.parse(pod.metadata.creationTimestamp ?? '');
  return pods.toSorted((a, b) => createdAt(b) - createdAt(a));
}

/** Why the run's pods ended, of the newest that failed. */
export function lastFailure(pods: readonly Pod[]): string | undefined {
  const [newest] = newestFirst(pods.filter((pod) => pod.status?.phase === 'Failed'));
  return newest && failureOf(newest);
}

/** Why the pod ended: what the worker said itself, else what the kubelet saw. */
export function failureOf(pod: Pod): string | undefined {
  const ended = terminationOf(pod);
  const said = parseTerminationMessage(ended?.message);
  if (said) return `${said.reason}: ${said.message}`;
  if (ended) return `pod ${pod.metadata.name} ended with exit code ${ended.exitCode} (${ended.reason ?? 'no reason'})`;
  return pod.status?.message ?? pod.status?.reason;
}
