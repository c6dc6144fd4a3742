// Pods that do not end, mostly since their node does not answer any more: the kubelet never says that they have ended, so that their
// Job would wait for ever. They are set to Failed as Kubernetes' pod garbage collector does it with pods of deleted nodes.
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
import { endPod } from './end-pods.ts';
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

/**
 * How much longer than the time that it had for its end a deleted pod has lived, in milliseconds; undefined where that time is not
 * over.
 */
export function overdueMs(pod: Pod, now: Date): number | undefined {
  const { deletionTimestamp } = pod.metadata;
  if (deletionTimestamp === undefined || hasEnded(pod)) return undefined;
  const late = now.getTime() - Date.parse(deletionTimestamp);
  return late > 0 ? late : undefined;
}

/** A kubelet that answers has tried SIGKILL for so long: a process that waits for a volume that does not answer cannot be ended. */
const STUCK_MS = 120_000;

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
  /**
   * Pods that are overdue and silent become Failed, at once on a lost node, later where the kubelet cannot end them; their worker may go on
   * there, but writes nothing.
   */
  async function failLostPods(
    run: CrawlRun,
    spec: CrawlRunSpec,
    snapshot: RunSnapshot,
    runPods: readonly Pod[],
    signal: AbortSignal,
  ): Promise<void> {
    for (const pod of runPods) {
      const late = overdueMs(pod, now());
      if (late === undefined) continue;
      const worker = snapshot.workers.find(({ workerId }) => workerId === pod.metadata.uid);
      if (!isSilent(worker?.lastHeartbeatAt, spec, now())) continue;
      const nodeName = pod.spec?.nodeName;
      if (nodeName === undefined) continue;
      const isLost = await isNodeGone(nodeName, signal);
      if (!isLost && late < STUCK_MS) continue;
      const [reason, why] = isLost
        ? ['NodeLost', `node ${nodeName} does not answer`]
        : ['PodStuck', `node ${nodeName} could not end it within ${STUCK_MS / 1_000} s after its time`];
      if (!(await fail(pod, reason, why, signal))) continue;
      const message = `pod ${pod.metadata.name} is set to Failed: ${why}, and its worker gives no heartbeat`;
      events.record(run, { type: 'Warning', reason, action: 'FailPod', message });
      // A kubelet that answers takes it away when it can.
      if (!isLost) await endPod(pods, pod, 0, signal);
    }
  }

  /** Where the operator may not read nodes, nothing is known of them. */
  async function isNodeGone(name: string, signal: AbortSignal): Promise<boolean> {
    try {
      return isNodeLost(await nodes.get({ name }, { signal }));
    } catch (error) {
      if (!isForbidden(error)) throw error;
      logger.warn({ node: name, err: error }, 'the operator may not read nodes: pods on dead ones are not replaced');
      return false;
    }
  }

  /** With the condition of a disruption, so that the Job makes another one and counts no crash. */
  async function fail(pod: Pod, reason: string, message: string, signal: AbortSignal): Promise<boolean> {
    const disruption = {
      type: 'DisruptionTarget',
      status: 'True',
      reason,
      message,
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
