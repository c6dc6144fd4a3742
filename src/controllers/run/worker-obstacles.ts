// Why no worker of a run is at work: read from its Job, its pods and the Events about them. Pure functions.
import type { ClusterEvent, Job, Pod } from '../../kube/builtin-types.ts';
import { findCondition } from '../../kube/conditions.ts';
import type { StartReason } from '../../resources/conditions.ts';
import { withAdvice } from './advice.ts';
import { CRAWLER_CONTAINER } from './crawl-job.ts';
import { queueOfKueue } from './kueue.ts';
import type { Obstacle, StartObstacle } from './obstacle.ts';
import { failureOf, hasEnded, newestFirst } from './pods.ts';

const CREATE_FAILURES = ['CreateContainerError', 'CreateContainerConfigError', 'RunContainerError', 'StartError'];
const PULL_FAILURES = [
  'ErrImagePull',
  'ImagePullBackOff',
  'InvalidImageName',
  'ErrImageNeverPull',
  'ImageInspectError',
  'RegistryUnavailable',
  'SignatureValidationFailed',
];
/** Reasons of the kubelet's and the attach controller's Events about a pod, and what they keep it from. */
const POD_EVENTS: Readonly<Record<string, StartReason>> = {
  FailedMount: 'VolumeNotMounted',
  FailedAttachVolume: 'VolumeNotMounted',
  FailedMapVolume: 'VolumeNotMounted',
  FailedCreatePodSandBox: 'SandboxFailed',
  NetworkNotReady: 'SandboxFailed',
};
const JOB_EVENTS = ['FailedCreate'];
/** A cluster makes, places and starts a pod within this time; who is slower is asked about. */
const USUAL_MS = 3_000;

/** Of a Job, its pods, and what the cluster says of them. */
export type WorkerSigns = {
  readonly job?: Job;
  readonly pods: readonly Pod[];
  /** Warnings about the Job and its pods, the newest last. */
  readonly events: readonly ClusterEvent[];
};

/** Whether a pod's container runs: then no Event of before counts. */
export function hasRunningWorker(pods: readonly Pod[]): boolean {
  return pods.some((pod) => !hasEnded(pod) && stateOf(pod)?.running !== undefined);
}

/** What keeps all of the run's pods from work; undefined when one works, and while the cluster is about to start one. */
export function workerObstacle({ job, pods, events }: WorkerSigns): Obstacle | undefined {
  if (hasRunningWorker(pods)) return undefined;
  if (job?.spec?.suspend) return suspended(job);
  const living = pods.filter(isLiving);
  for (const pod of living) {
    const obstacle = obstacleOfPod(pod, events);
    if (obstacle) return obstacle;
  }
  if (living.length > 0) return undefined;
  return refusedPods(job, events) ?? lastCrash(pods);
}

function suspended(job: Job): Obstacle {
  const { name } = job.metadata;
  const queue = queueOfKueue(job);
  const message =
    queue === undefined
      ? `Job ${name} is suspended by somebody else: the run goes on when the Job is resumed`
      : `Job ${name} waits in queue ${queue} of Kueue: the run goes on when Kueue admits its Workload`;
  return { condition: 'Progressing', patience: 'Unlimited', reason: 'JobSuspended', message };
}

function obstacle(reason: StartReason, message: string): StartObstacle {
  return { condition: 'Progressing', patience: 'StartDeadline', reason, message: withAdvice(reason, message) };
}

function obstacleOfPod(pod: Pod, events: readonly ClusterEvent[]): StartObstacle | undefined {
  const { name } = pod.metadata;
  const waiting = stateOf(pod)?.waiting;
  if (waiting?.reason && PULL_FAILURES.includes(waiting.reason)) {
    const image = pod.spec?.containers[0]?.image;
    return obstacle('ImagePullFailed', `cannot pull ${image}: ${waiting.message ?? waiting.reason}`);
  }
  if (waiting?.reason && CREATE_FAILURES.includes(waiting.reason)) {
    const node = pod.spec?.nodeName ?? 'unknown';
    return obstacle('ContainerRefused', `node ${node} cannot start pod ${name}: ${waiting.message ?? waiting.reason}`);
  }
  const scheduled = findCondition(pod.status?.conditions, 'PodScheduled');
  if (scheduled?.status === 'False') {
    return obstacle('Unschedulable', `no node takes pod ${name}: ${scheduled.message ?? scheduled.reason}`);
  }
  const event = events.findLast((one) => one.involvedObject.uid === pod.metadata.uid && POD_EVENTS[one.reason ?? '']);
  const reason = event && POD_EVENTS[event.reason ?? ''];
  if (reason === undefined) return undefined;
  return obstacle(reason, `pod ${name} on node ${pod.spec?.nodeName ?? 'unknown'} cannot start: ${event?.message}`);
}

/** The Job controller says why it cannot make pods in Events about the Job, and nowhere else. */
function refusedPods(job: Job | undefined, events: readonly ClusterEvent[]): StartObstacle | undefined {
  const event = events.findLast(
    (one) => one.involvedObject.uid === job?.metadata.uid && JOB_EVENTS.includes(one.reason ?? ''),
  );
  if (event === undefined) return undefined;
  const message = event.message ?? 'the cluster refuses the pods';
  return obstacle(/exceeded quota|failed quota/.test(message) ? 'QuotaExceeded' : 'PodsRefused', message);
}

/** How the newest worker ended, if one has; the Job makes another after its back-off. */
export function lastCrash(pods: readonly Pod[]): StartObstacle | undefined {
  const [newest] = newestFirst(pods.filter(hasEnded));
  const failure = newest && failureOf(newest);
  if (failure === undefined) return undefined;
  return obstacle('WorkerCrashed', `the last worker has ended, another is started after a pause: ${failure}`);
}

/** The UID of the object whose Events alone can say what the pods wait for: a pod that is on its node, or the Job. */
export function subjectOfEvents({ job, pods }: Omit<WorkerSigns, 'events'>, now: Date): string | undefined {
  if (job === undefined || job.spec?.suspend || hasRunningWorker(pods)) return undefined;
  const isLate = (since: string | undefined) => since !== undefined && now.getTime() - Date.parse(since) >= USUAL_MS;
  const living = pods.filter(isLiving);
  if (living.length === 0) {
    return isLate(job.status?.startTime ?? job.metadata.creationTimestamp) ? job.metadata.uid : undefined;
  }
  return living.find((pod) => {
    const scheduled = findCondition(pod.status?.conditions, 'PodScheduled');
    return scheduled?.status === 'True' && obstacleOfPod(pod, []) === undefined && isLate(scheduled.lastTransitionTime);
  })?.metadata.uid;
}

function isLiving(pod: Pod): boolean {
  return !hasEnded(pod) && pod.metadata.deletionTimestamp === undefined;
}

function stateOf(pod: Pod) {
  return pod.status?.containerStatuses?.find((status) => status.name === CRAWLER_CONTAINER)?.state;
}
