import { expect, test } from 'vitest';
import { explainRun, explanationLines } from '#src/custom-resources/explain-run.ts';
import type { CrawlRun } from '#src/custom-resources/types.ts';
import type { ClusterEvent, Pod } from '#src/kube/builtin-types.ts';

const NOW = new Date('2026-01-01T12:10:00Z');

function run(status: CrawlRun['status'], generation = 1): CrawlRun {
  const metadata = { name: 'shop-1', namespace: 'crawls', uid: 'run-uid', resourceVersion: '1', generation };
  return {
    apiVersion: 'trawler.dev/v1alpha1',
    kind: 'CrawlRun',
    metadata: { ...metadata, creationTimestamp: '2026-01-01T12:00:00Z' },
    spec: { sources: [{ name: 'shop', urls: ['http://shop.example/'] }] },
    ...(status === undefined ? {} : { status }),
  };
}

const condition = (type: string, reason: string, message: string, status: 'True' | 'False' = 'False') => {
  return { type, status, reason, message, lastTransitionTime: '2026-01-01T12:01:00Z' };
};
const waiting = run({
  observedGeneration: 1,
  phase: 'Queued',
  conditions: [
    condition('Progressing', 'WaitingForSlot', 'waiting: number 2 in line, since 5 active runs are the limit'),
  ],
});
const evidence = { pods: [], events: [], unread: [] };
const explain = (seen: CrawlRun) => explainRun({ ...evidence, run: seen }, NOW);

test('a run in line: its place, and what to do', () => {
  expect(explanationLines(explain(waiting))).toEqual([
    'shop-1 is Queued since 2026-01-01T12:01:00Z',
    '- WaitingForSlot: waiting: number 2 in line, since 5 active runs are the limit (condition Progressing)',
    "  what to do: Wait, give the run a higher spec.priority or another spec.queue, stop another run, or raise the operator's limits.",
  ]);
});

test('a run that no operator looks at', () => {
  const [finding] = explain(run(undefined)).findings;
  expect(finding).toMatchObject({ message: 'the operator has not looked at the run for 600 s' });
  expect(finding?.advice).toContain('operator');
});

test('workers that are silent, the time that is left, and a spec that was edited', () => {
  const conditions = [condition('Progressing', 'Crawling', 'workers are crawling', 'True')];
  const times = { lastHeartbeatTime: '2026-01-01T12:05:00Z', stopDeadline: '2026-01-01T12:12:00Z' };
  const silent = run({ observedGeneration: 1, phase: 'Running', conditions, ...times }, 2);
  expect(explain(silent).findings.map(({ message }) => message)).toEqual([
    'the spec was edited and the operator has not acted on that yet: what follows is about the spec before',
    'workers are crawling',
    'no worker has given a heartbeat for 300 s',
    'the run is stopped in 120 s (spec.timeoutSeconds)',
  ]);
});

test.each(['Paused', 'JobSuspended'])('a run that stands still (%s) misses no heartbeat', (reason) => {
  const conditions = [condition('Progressing', reason, 'it stands still')];
  const times = { lastHeartbeatTime: '2026-01-01T12:01:00Z' };
  const still = run({
    observedGeneration: 1,
    phase: reason === 'Paused' ? 'Paused' : 'Running',
    conditions,
    ...times,
  });
  expect(explain(still).findings.map(({ message }) => message)).toEqual(['it stands still']);
});

test('a worker that hung, whether or not another one has taken its place', () => {
  for (const [reason, status] of [
    ['WorkerHangs', 'True'],
    ['WorkerReplaced', 'False'],
  ] as const) {
    const conditions = [
      condition('Progressing', 'Crawling', 'workers are crawling', 'True'),
      condition('Stalled', reason, 'worker a hung: the page spins', status),
    ];
    const { findings } = explain(run({ observedGeneration: 1, phase: 'Running', conditions }));
    const finding = { evidence: 'condition Stalled', reason, message: 'worker a hung: the page spins' };
    expect(findings).toContainEqual({ ...finding, advice: expect.stringContaining('message') });
  }
});

test('an empty result of a run that has ended', () => {
  const conditions = [
    condition('EmptyResult', 'NoItems', 'no item was found on any page', 'True'),
    condition('Finished', 'Succeeded', '3 pages succeeded', 'True'),
  ];
  const ended = run({ observedGeneration: 1, phase: 'Succeeded', conditions, skipped: { Robots: 2 } });
  expect(explain(ended).findings).toMatchObject([
    { evidence: 'condition Finished', reason: 'Succeeded' },
    { reason: 'NoItems', advice: expect.stringContaining('selectors') },
    { evidence: 'status.skipped', message: 'URLs that were left out: Robots 2' },
  ]);
});

test('pods that wait, Events, and what may not be read', () => {
  const state = { waiting: { reason: 'ImagePullBackOff', message: 'back-off pulling image' } };
  const metadata = { name: 'shop-1-0-abcde', namespace: 'crawls', uid: 'pod', resourceVersion: '1' };
  const status = {
    containerStatuses: [{ name: 'crawler', image: '', imageID: '', ready: false, restartCount: 0, state }],
  };
  const pod = { apiVersion: 'v1', kind: 'Pod', metadata, status } as Pod;
  const involvedObject = { kind: 'Pod', name: metadata.name, uid: 'pod' };
  const event = { involvedObject, reason: 'Failed', message: 'cannot pull' } as ClusterEvent;
  const unread = ['User "viewer" cannot list jobs'];
  const lines = explanationLines(explainRun({ run: waiting, pods: [pod], events: [event], unread }, NOW));
  expect(lines.slice(-3)).toEqual([
    '- ImagePullBackOff: back-off pulling image (pod shop-1-0-abcde)',
    '- Failed: cannot pull (Event of Pod shop-1-0-abcde)',
    '- not looked at: User "viewer" cannot list jobs',
  ]);
});

test('an image that has changed since the run before', () => {
  const conditions = [condition('Progressing', 'Crawling', 'workers are crawling', 'True')];
  const seen = { observedGeneration: 1, phase: 'Running', conditions, imageID: 'sha256:new' } as const;
  const messageOf = (status: CrawlRun['status']) => explain(run(status)).findings.map(({ message }) => message);
  expect(messageOf({ ...seen, previousImageID: 'sha256:old' })).toContain(
    'its image is sha256:new, and the run of the schedule before it had sha256:old',
  );
  expect(messageOf(seen).some((message) => message.includes('image'))).toBe(false);
});
