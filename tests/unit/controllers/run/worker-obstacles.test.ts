// What keeps a run's pods from work, from signs as the scheduler, the kubelet and the Job controller leave them.
import { describe, expect, test } from 'vitest';
import { subjectOfEvents, workerObstacle } from '#src/controllers/run/worker-obstacles.ts';
import type { ClusterEvent, Job, Pod } from '#src/kube/builtin-types.ts';

const NOW = new Date('2026-01-01T12:00:30Z');
const LONG_AGO = '2026-01-01T12:00:00Z';

const job: Job = {
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata: { name: 'shop-1', namespace: 'default', uid: 'job-uid', resourceVersion: '1' },
  status: { startTime: LONG_AGO },
};

function pod(status: Pod['status'], metadata: Partial<Pod['metadata']> = {}): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'shop-1-0-abcde', uid: 'pod-uid', resourceVersion: '1', ...metadata },
    spec: { containers: [{ name: 'crawler', image: 'registry.example/crawler:1' }], nodeName: 'node1' },
    ...(status ? { status } : {}),
  };
}

const scheduled = { type: 'PodScheduled', status: 'True', lastTransitionTime: LONG_AGO };

function podWith(state: object, phase = 'Pending'): Pod {
  const container = { name: 'crawler', image: '', imageID: '', ready: false, restartCount: 0, state };
  return pod({ phase, conditions: [scheduled], containerStatuses: [container] });
}

const waiting = (reason: string, message: string) => podWith({ waiting: { reason, message } });
const creating = waiting('ContainerCreating', '');
const running = podWith({ running: {} }, 'Running');
const unschedulable = (message: string) =>
  pod({ phase: 'Pending', conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message }] });

function event(uid: string, reason: string, message: string): ClusterEvent {
  return {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name: 'event', namespace: 'default', uid: 'event-uid', resourceVersion: '1' },
    involvedObject: { uid },
    type: 'Warning',
    reason,
    message,
  };
}

const refusedPods = (message: string) => ({ pods: [], events: [event('job-uid', 'FailedCreate', message)] });
const notMounted = (message: string) => ({ pods: [creating], events: [event('pod-uid', 'FailedMount', message)] });

test.each([
  [
    'an image that is not there',
    { pods: [waiting('ImagePullBackOff', 'not found')] },
    'ImagePullFailed',
    /registry\.example\/crawler:1: not found: correct spec\.image/,
  ],
  [
    'a registry that wants a login',
    { pods: [waiting('ErrImagePull', 'pull access denied, repository does not exist or may require authorization')] },
    'ImagePullFailed',
    /correct spec\.image, or, where the image is private, name a Secret in spec\.pod\.imagePullSecrets/,
  ],
  ['an image name that is none', { pods: [waiting('InvalidImageName', 'bad')] }, 'ImagePullFailed', /spec\.image/],
  [
    'a seccomp profile that its node does not have',
    { pods: [waiting('CreateContainerError', 'cannot load seccomp profile "/x/y.json"')] },
    'ContainerRefused',
    /put the profile there \(docs\/browser-sandbox\.md\), or set spec\.browser\.sandbox to false/,
  ],
  [
    'a Secret of its environment that is missing',
    { pods: [waiting('CreateContainerConfigError', 'secret "shop" not found')] },
    'ContainerRefused',
    /spec\.pod\.env/,
  ],
  [
    'a Secret of its environment that its node has not seen yet',
    {
      pods: [waiting('CreateContainerConfigError', 'failed to sync secret cache: timed out waiting for the condition')],
    },
    'ContainerRefused',
    /spec\.pod\.env.*tries again/,
  ],
  [
    'an image that runs as root',
    { pods: [waiting('CreateContainerConfigError', 'container has runAsNonRoot and image will run as root')] },
    'ContainerRefused',
    /spec\.pod\.securityContext/,
  ],
  [
    'too little CPU',
    { pods: [unschedulable('0/3 nodes are available: 3 Insufficient cpu.')] },
    'Unschedulable',
    /Insufficient cpu.*spec\.pod\.resources\.requests/,
  ],
  [
    'labels that no node has',
    { pods: [unschedulable("0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector.")] },
    'Unschedulable',
    /spec\.pod\.nodeSelector/,
  ],
  [
    'a taint',
    { pods: [unschedulable('0/1 nodes are available: 1 node(s) had untolerated taint(s).')] },
    'Unschedulable',
    /spec\.pod\.tolerations/,
  ],
  [
    'a claim that is not bound',
    { pods: [unschedulable('0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.')] },
    'Unschedulable',
    /spec\.output\.volumeClaim/,
  ],
  [
    'headers whose Secret is missing',
    notMounted('MountVolume.SetUp failed for volume "headers" : secret "login" not found'),
    'VolumeNotMounted',
    /node1.*secret "login" not found.*spec\.fetch\.headersSecretRef/,
  ],
  [
    'a volume that cannot be attached',
    { pods: [creating], events: [event('pod-uid', 'FailedAttachVolume', 'AttachVolume failed for volume "output"')] },
    'VolumeNotMounted',
    /spec\.output\.volumeClaim/,
  ],
  [
    'a sandbox without a network',
    { pods: [creating], events: [event('pod-uid', 'FailedCreatePodSandBox', 'plugin not initialized')] },
    'SandboxFailed',
    /plugin not initialized/,
  ],
  [
    'a quota that is used up',
    refusedPods('Error creating: pods "x" is forbidden: exceeded quota: small, requested: pods=1'),
    'QuotaExceeded',
    /exceeded quota: small.*ResourceQuota/,
  ],
  [
    'a Pod Security Standard',
    refusedPods('Error creating: pods "x" is forbidden: violates PodSecurity "restricted:latest"'),
    'PodsRefused',
    /Pod Security Standard/,
  ],
  [
    'a LimitRange',
    refusedPods('Error creating: pods "x" is forbidden: maximum cpu usage per Container is 100m, but limit is 1'),
    'PodsRefused',
    /spec\.pod\.resources within the LimitRange/,
  ],
  [
    'a webhook that does not answer',
    refusedPods('Error creating: Internal error occurred: failed calling webhook "a.b.c"'),
    'PodsRefused',
    /admission webhook of the cluster does not answer/,
  ],
  [
    'a priority class that is missing',
    refusedPods('Error creating: pods "x" is forbidden: no PriorityClass with name urgent was found'),
    'PodsRefused',
    /spec\.pod\.priorityClassName/,
  ],
  [
    'a service account that is missing',
    refusedPods('Error creating: pods "x" is forbidden: error looking up service account default/crawl'),
    'PodsRefused',
    /spec\.pod\.serviceAccountName/,
  ],
  [
    'workers that the kernel kills',
    { pods: [podWith({ terminated: { exitCode: 137, reason: 'OOMKilled' } }, 'Failed')] },
    'WorkerCrashed',
    /exit code 137 \(OOMKilled\).*spec\.pod\.resources\.limits\.memory/,
  ],
  [
    'a worker that was evicted',
    { pods: [pod({ phase: 'Failed', reason: 'Evicted', message: 'The node was low on resource: memory.' })] },
    'WorkerCrashed',
    /low on resource: memory/,
  ],
])('%s is named with the words of Kubernetes and what can be done', (_what, signs, reason, message) => {
  const obstacle = workerObstacle({ job, events: [], ...signs });
  expect(obstacle).toMatchObject({ reason, patience: 'StartDeadline' });
  expect(obstacle?.message).toMatch(message);
});

test('a suspended Job is waited for without a deadline', () => {
  const signs = { job: { ...job, spec: { suspend: true, template: {} } }, pods: [], events: [] };
  expect(workerObstacle(signs)).toMatchObject({ reason: 'JobSuspended', patience: 'Unlimited' });
});

test.each([
  ['its worker runs', { pods: [running], ...{ events: [event('pod-uid', 'FailedMount', 'volume "output"')] } }],
  ['one of two workers runs', { pods: [unschedulable('0/1'), running], events: [] }],
  ['its pod is just being placed', { pods: [pod({ phase: 'Pending' })], events: [] }],
  ['the Events are about another pod', { pods: [creating], events: [event('other', 'FailedMount', 'volume')] }],
  ['nothing is known yet', { pods: [], events: [] }],
])('nothing is in the way while %s', (_what, signs) => {
  expect(workerObstacle({ job, ...signs })).toBeUndefined();
});

describe('Events are read', () => {
  test.each([
    ['of the Job that has made no pod', { job, pods: [] }, 'job-uid'],
    ['of a pod that does not start on its node', { job, pods: [creating] }, 'pod-uid'],
    [
      'of the Job whose only pod has ended',
      { job, pods: [podWith({ terminated: { exitCode: 1 } }, 'Failed')] },
      'job-uid',
    ],
  ])('%s', (_what, signs, uid) => {
    expect(subjectOfEvents(signs, NOW)).toBe(uid);
  });

  test.each([
    ['a worker runs', { job, pods: [running] }],
    ['the pod itself says what it waits for', { job, pods: [waiting('ErrImagePull', 'not found')] }],
    ['the pod has no node yet', { job, pods: [pod({ phase: 'Pending' })] }],
    ['the Job has only just started', { job: { ...job, status: { startTime: NOW.toISOString() } }, pods: [] }],
    ['the Job is suspended', { job: { ...job, spec: { suspend: true, template: {} } }, pods: [] }],
    ['there is no Job', { pods: [] }],
  ])('not while %s', (_what, signs) => {
    expect(subjectOfEvents(signs, NOW)).toBeUndefined();
  });
});
