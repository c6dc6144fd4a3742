// How runs end that their workers do not end, as a table of row, Job and pods.
import { expect, test } from 'vitest';
import { endOfShown, endStep } from '#src/controllers/run/end-step.ts';
import type { Job, Pod } from '#src/kube/builtin-types.ts';
import { START_REASONS } from '#src/resources/conditions.ts';

function job(type?: string, reason?: string): Job {
  const conditions = type === undefined ? [] : [{ type, status: 'True', ...(reason === undefined ? {} : { reason }) }];
  const metadata = { name: 'shop-1', uid: 'job-uid', resourceVersion: '1' };
  return { apiVersion: 'batch/v1', kind: 'Job', metadata, status: { conditions } };
}

function pod(phase: string, message?: object): Pod {
  const terminated = { exitCode: 66, ...(message ? { message: JSON.stringify(message) } : {}) };
  const container = { name: 'crawler', image: '', imageID: '', ready: false, restartCount: 0, state: { terminated } };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'shop-1-0', uid: 'pod-uid', resourceVersion: '1' },
    status: { phase, ...(message ? { containerStatuses: [container] } : {}) },
  };
}

const withSpec = (spec: object): Job => ({ ...job(), spec: { template: {}, ...spec } });
const elsewhere = (spec: object) => withSpec({ managedBy: 'kueue.x-k8s.io/multikueue', ...spec });
const multiKueue = (activeDeadlineSeconds: number): Job => {
  const labels = { 'kueue.x-k8s.io/queue-name': 'elsewhere' };
  const given = elsewhere({ suspend: true, activeDeadlineSeconds });
  return { ...given, metadata: { ...given.metadata, labels } };
};

const row = (change: object = {}) => ({ state: 'Running', ...change }) as Parameters<typeof endStep>[0];
const due = { output: { due: true, settled: false } };
const failed = job('Failed', 'FailedIndexes');
const suspended = job('Suspended');
const complete = job('Complete', 'CompletionsReached');
const partly: Job = { ...failed, status: { ...failed.status, succeeded: 1 } };
const started = { startedAt: new Date(0) };
const wait = { type: 'Wait' };
const lost = { type: 'End', outcome: 'Failed', stopReason: 'DataLost' };
const lostRun = { ...lost, message: 'PostgreSQL has lost the run and its results' };
const lostAtWork = { ...lost, message: expect.stringContaining('while its workers were at work') };
const lostEnd = { ...lost, message: expect.stringContaining('PostgreSQL has gone back to an earlier time') };

test.each([
  ['the row has ended', row({ state: 'Finished' }), failed, [pod('Running')], { type: 'Over' }],
  ['a pod lives', row({ stopReason: 'Shutdown' }), suspended, [pod('Running')], { type: 'Wait' }],
  ['the Job is at work', row(), job(), [], { type: 'Wait' }],
  ['somebody else has suspended the Job', row(), suspended, [], { type: 'Wait' }],
  ['the Job is gone and will be made again', row(), undefined, [], { type: 'Wait' }],
  ['a stop has not reached the Job', row({ stopReason: 'Shutdown' }), job(), [], { type: 'Wait' }],
  ['nor its controller', row({ stopReason: 'Shutdown' }), withSpec({ suspend: true }), [], { type: 'Wait' }],
  ['its controller is another one', row({ stopReason: 'Shutdown' }), elsewhere({}), [], { type: 'Wait' }],
  ['and will not say', row({ stopReason: 'Shutdown' }), elsewhere({ suspend: true }), [], { outcome: 'Stopped' }],
  ['the same in a queue of Kueue', row({ stopReason: 'Shutdown' }), multiKueue(1), [], { outcome: 'Stopped' }],
  ['Kueue would resume it', row({ stopReason: 'Shutdown' }), multiKueue(3_600), [], { type: 'Wait' }],
  [
    'the file of a stopped run is missing',
    row({ stopReason: 'Shutdown', ...due }),
    suspended,
    [],
    { type: 'WriteOutput' },
  ],
  ['the file of a failed run is missing', row(due), failed, [pod('Failed')], { type: 'WriteOutput' }],
  ['a stop is done', row({ stopReason: 'Shutdown' }), suspended, [pod('Failed')], { outcome: 'Stopped' }],
  ['a stop finds no Job', row({ stopReason: 'Deleted' }), undefined, [], { outcome: 'Stopped' }],
  ['the time is over', row({ stopReason: 'TimedOut' }), suspended, [], { outcome: 'TimedOut' }],
  ['PostgreSQL has lost the run', row({ stopReason: 'DataLost' }), suspended, [], lostRun],
  ['PostgreSQL has lost a run that had finished', row({ stopReason: 'DataLost' }), complete, [], lostRun],
  ['it has lost a run at work', row({ ...started, stopReason: 'DataLost' }), suspended, [pod('Failed')], lostAtWork],
  ['the same, and the Job is gone', row({ ...started, stopReason: 'DataLost' }), undefined, [], lostAtWork],
  [
    'the same, and the Job has failed',
    row({ ...started, stopReason: 'DataLost' }),
    failed,
    [pod('Failed')],
    lostAtWork,
  ],
  ['PostgreSQL has lost the end', row(started), complete, [pod('Succeeded')], lostEnd],
  ['it has lost the end, and the pods are gone', row(started), complete, [], lostEnd],
  ['it has lost the end, and a worker that was left has failed', row(started), partly, [pod('Failed')], lostEnd],
  ['the same, and the pod of the one that finished is there', row(started), failed, [pod('Succeeded')], lostEnd],
  ['that was noted, and not written down', row({ ...started, stopReason: 'DataLost' }), complete, [], lostEnd],
  ['it has lost the end, and another worker goes on', row(started), job(), [pod('Succeeded'), pod('Running')], wait],
  [
    'it has lost the end of a stopped run',
    row({ ...started, stopReason: 'Shutdown' }),
    complete,
    [],
    { outcome: 'Stopped' },
  ],
  ['it has lost that the file was written', row({ ...started, ...due }), complete, [], { type: 'WriteOutput' }],
  ['its Job was deleted twice', row({ stopReason: 'JobDeleted' }), undefined, [], { outcome: 'Failed' }],
  ['the Job has failed', row(), failed, [pod('Failed')], { outcome: 'Failed', stopReason: 'WorkersFailed' }],
  ['the Job took too long', row(), job('Failed', 'DeadlineExceeded'), [], { outcome: 'TimedOut' }],
  ['that was noted, but not written down', row({ stopReason: 'WorkersFailed' }), failed, [], { outcome: 'Failed' }],
  [
    'every source refuses',
    row(),
    failed,
    [pod('Failed', { reason: 'Blocked', message: 'a guard answers' })],
    { outcome: 'Failed', stopReason: 'Blocked', message: 'a guard answers' },
  ],
])('when %s', (_what, snapshot, ofJob, pods, step) => {
  expect(endStep(snapshot, ofJob, pods)).toMatchObject(step);
});

test.each(START_REASONS)(
  'a run that could not start for %s has failed, though writing that down was cut short',
  (stopReason) => {
    expect(endStep(row({ stopReason }), suspended, [])).toMatchObject({ type: 'End', outcome: 'Failed' });
  },
);

test.each([
  ['Succeeded', 'Succeeded', { outcome: 'Failed', stopReason: 'DataLost' }],
  ['Partial', 'SomeRequestsFailed', { outcome: 'Failed', stopReason: 'DataLost' }],
  ['Failed', 'AllRequestsFailed', { outcome: 'Failed', stopReason: 'DataLost' }],
  ['Failed', 'NothingCrawled', { outcome: 'Failed', stopReason: 'DataLost' }],
  ['Failed', 'WorkersFailed', { outcome: 'Failed', stopReason: 'WorkersFailed', message: 'as shown' }],
  ['Failed', 'ImagePullFailed', { outcome: 'Failed', stopReason: 'ImagePullFailed', message: 'as shown' }],
  ['Stopped', 'Shutdown', { outcome: 'Stopped', stopReason: 'Shutdown', message: 'as shown' }],
  ['TimedOut', 'TimedOut', { outcome: 'TimedOut', stopReason: 'TimedOut', message: 'as shown' }],
] as const)('a run shown as %s for %s, and live in PostgreSQL, ends there', (phase, reason, end) => {
  const lastTransitionTime = '2026-11-22T00:00:00Z';
  const finished = { type: 'Finished', status: 'True' as const, reason, message: 'as shown', lastTransitionTime };
  const shown = endOfShown({ phase, message: 'as shown', conditions: [finished] });
  expect(shown).toMatchObject(end);
  if (end.stopReason === 'DataLost') expect(shown.message).toContain(`it had ended as ${phase}`);
});
