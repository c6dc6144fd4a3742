// Which changes of schedules and runs make the schedule controller look.
import { expect, test } from 'vitest';
import { urgencyOfRun, wakesSchedule } from '#src/controllers/schedule/schedule-wake.ts';
import type { CrawlRun, CrawlSchedule } from '#src/custom-resources/types.ts';

const base = { apiVersion: 'trawler.dev/v1alpha1', kind: 'CrawlSchedule' };
const metadata = { name: 'shop', namespace: 'a', uid: 'uid', resourceVersion: '1', generation: 1 };
const ready = { type: 'Ready', status: 'True' as const, reason: 'x', message: '', lastTransitionTime: '' };
const schedule: CrawlSchedule = {
  ...base,
  metadata,
  spec: { schedule: '@daily', runTemplate: { spec: { sources: [] } } },
  status: { observedGeneration: 1, conditions: [ready], activeCount: 0 },
};
const asked = { 'trawler.dev/run-requested': 'now' };

test.each<[string, Partial<CrawlSchedule>, boolean]>([
  ['its own status is no news', { status: { ...schedule.status, activeCount: 1 } }, false],
  ['a new label is none either', { metadata: { ...metadata, labels: { a: 'b' } } }, false],
  ['an edit', { metadata: { ...metadata, generation: 2 } }, true],
  ['its deletion', { metadata: { ...metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } }, true],
  ['a request for a run', { metadata: { ...metadata, annotations: asked } }, true],
  [
    'a request to go on after failures',
    { metadata: { ...metadata, annotations: { 'trawler.dev/resume-requested': '1' } } },
    true,
  ],
  ['a status that was written over', { status: { activeCount: 0 } }, true],
])('%s', (_what, change, wakes) => {
  expect(wakesSchedule({ type: 'updated', previous: schedule, object: { ...schedule, ...change } })).toBe(wakes);
});

test('a status that is gone wakes, one that was never there does not', () => {
  const { status: _, ...bare } = schedule;
  expect(wakesSchedule({ type: 'updated', previous: schedule, object: bare })).toBe(true);
  expect(wakesSchedule({ type: 'updated', previous: bare, object: schedule })).toBe(false);
  expect(wakesSchedule({ type: 'added', object: schedule })).toBe(true);
});

function run(phase: 'Pending' | 'Queued' | 'Running' | 'Succeeded', ...conditions: string[]): CrawlRun {
  const condition = (type: string) => ({ ...ready, type });
  return {
    ...base,
    metadata,
    spec: { sources: [] },
    status: { phase, progress: { items: Math.random() }, conditions: conditions.map(condition) },
  };
}

/** As the API server has it until the operator has looked at it. */
const { status: _none, ...unseen } = run('Pending');

test.each<[string, CrawlRun, CrawlRun, ReturnType<typeof urgencyOfRun>]>([
  ['progress is no news', run('Running', 'Accepted'), run('Running', 'Accepted'), 'Never'],
  ['the first page soon', run('Pending', 'Accepted'), run('Running', 'Accepted'), 'Soon'],
  ['that it was let in is no news', run('Pending'), run('Pending', 'Accepted'), 'Never'],
  ['its first status is none either', unseen, run('Pending', 'Accepted'), 'Never'],
  ['that it waits in line, soon', unseen, run('Queued'), 'Soon'],
  ['its end at once', run('Running', 'Accepted'), run('Succeeded', 'Accepted', 'Finished'), 'AtOnce'],
  [
    'what comes after its end is no news',
    run('Succeeded', 'Accepted', 'Finished'),
    run('Succeeded', 'Accepted', 'Finished', 'OutputWritten'),
    'Never',
  ],
])('%s', (_what, previous, object, urgency) => {
  expect(urgencyOfRun({ type: 'updated', previous, object })).toBe(urgency);
});

test('a new run is told soon, one that is gone at once', () => {
  expect(urgencyOfRun({ type: 'added', object: run('Pending') })).toBe('Soon');
  expect(urgencyOfRun({ type: 'deleted', object: run('Running') })).toBe('AtOnce');
});
