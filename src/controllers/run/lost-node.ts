// Pods of a node that does not answer any more: the kubelet never says that they have ended, so that their Job would wait
// for ever. They are set to Failed as Kubernetes' pod garbage collector does it with pods of deleted nodes.
import type { CrawlRun } from '../../custom-resources/types.ts';
import type { Node, Pod } from '../../kube/builtin-types.ts';
import { isConditionTrue } from '../../kube/conditions.ts';
import type { EventRecorder } from '../../kube/events.ts';
import { isConflict, isForbidden, isNotFound } from '../../kube/kube-error.ts';
import type { ResourceClient } from '../../kube/resource-client.ts';
import { timestamp } from '../../kube/time.ts';
import type { CrawlRunSpec } from '../../resources/crawl-run.ts';
import { durationMs } from '../../resources/duration.ts';
import type { RunSnapshot } from '../../store/operator-store.ts';
import type { Logger } from '../../telemetry/logger.ts';
import { hasEnded } from './pods.ts';

export type LostNodeOptions = {
  readonly pods: ResourceClient<Pod>;
  readonly nodes: ResourceClient<Node>;
  readonly events: EventRecorder;
  readonly now: () => Date;
  readonly logger: Logger;
};

/** A worker is silent when this many heartbeats are missing, and at least a minute's. */
const MISSED_HEARTBEATS = 3;
const SHORTEST_SILENCE_MS = 60_000;

/** The pod should be gone: it was deleted, and the time that it had for its end (150 s) is over. */
export function isOverdue(pod: Pod, now: Date): boolean {
  const { deletionTimestamp } = pod.metadata;
  return deletionTimestamp !== undefined && !hasEnded(pod) && now > new Date(deletionTimestamp);
}

/** Whether the worker has given no heartbeat for so long that its leases are over, or never gave one. */
export function isSilent(lastHeartbeatAt: Date | undefined, spec: Pick<CrawlRunSpec, 'heartbeat'>, now: Date): boolean {
  return lastHeartbeatAt === undefined || now.getTime() - lastHeartbeatAt.getTime() > longestSilenceMs(spec);
}

/** After this the leases of a worker are over, in milliseconds. */
export function longestSilenceMs({ heartbeat }: Pick<CrawlRunSpec, 'heartbeat'>): number {
  return Math.max(SHORTEST_SILENCE_MS, MISSED_HEARTBEATS * durationMs(heartbeat.interval));
}

/** A node that is gone, or whose kubelet has not answered for as long as the node controller waits (40 s). */
export function isNodeLost(node: Node | undefined): boolean {
  return node === undefined || !isConditionTrue(node.status?.conditions, 'Ready');
}

export function createLostNodes({ pods, nodes, events, now, logger }: LostNodeOptions) {
  /** Pods that are overdue and silent on a lost node become Failed; their worker may go on there, but writes nothing. */
  async function failLostPods(
    run: CrawlRun,
    spec: CrawlRunSpec,
    snapshot: RunSnapshot,
    runPods: readonly Pod[],
    signal: AbortSignal,
  ): Promise<void> {
    for (const pod of runPods) {
      if (!isOverdue(pod, now())) continue;
      const worker = snapshot.workers.find(({ workerId }) => workerId === pod.metadata.uid);
      if (!isSilent(worker?.lastHeartbeatAt, spec, now())) continue;
      const nodeName = pod.spec?.nodeName;
      if (nodeName === undefined || !(await isLost(nodeName, signal))) continue;
      if (await fail(pod, nodeName, signal)) {
        const message = `pod ${pod.metadata.name} is set to Failed: node ${nodeName} does not answer, and its worker gives no heartbeat`;
        events.record(run, { type: 'Warning', reason: 'NodeLost', action: 'FailPod', message });
      }
    }
  }

  /** Where the operator may not read nodes, nothing is known of them. */
  async function isLost(name: string, signal: AbortSignal): Promise<boolean> {
    try {
      return isNodeLost(await nodes.get({ name }, { signal }));
    } catch (error) {
      if (!isForbidden(error)) throw error;
      logger.warn({ node: name, err: error }, 'the operator may not read nodes: pods on dead ones are not replaced');
      return false;
    }
  }

  /** With the condition of a disruption, so that the Job makes another one and counts no crash. */
  async function fail(pod: Pod, nodeName: string, signal: AbortSignal): Promise<boolean> {
    const disruption = {
      type: 'DisruptionTarget',
      status: 'True',
      reason: 'NodeLost',
      message: `node ${nodeName} does not answer`,
      lastTransitionTime: timestamp(now()),
    };
    const conditions = [...(pod.status?.conditions ?? []).filter(({ type }) => type !== disruption.type), disruption];
    const { uid, resourceVersion } = pod.metadata;
    const body = { metadata: { uid, resourceVersion }, status: { phase: 'Failed', conditions } };
    try {
      await pods.patch(pod.metadata, { type: 'merge', body }, { subresource: 'status', signal });
      return true;
    } catch (error) {
      if (isConflict(error) || isNotFound(error)) return false; // its change brings the run back
      throw error;
    }
  }

  return { failLostPods };
}
