// What an approved backfill does next: a row for each thing that may hold it up or end it.
import { describe, expect, test } from 'vitest';
import { templateHash } from '#src/controllers/backfill/backfill-plan.ts';
import {
  type BackfillRun,
  type BackfillView,
  goneRuns,
  nextStep,
  progressOf,
  withPhases,
} from '#src/controllers/backfill/backfill-step.ts';
import type { CrawlRun, CrawlSchedule } from '#src/custom-resources/types.ts';

const apiVersion = 'trawler.dev/v1alpha1';
const schedule: CrawlSchedule = {
  ...{ apiVersion, kind: 'CrawlSchedule' },
  metadata: { name: 'shop', namespace: 'default', uid: 'shop-uid', resourceVersion: '1' },
  spec: { schedule: '0 6 * * *', runTemplate: { spec: { sources: [{ name: 's', urls: ['http://s.example/'] }] } } },
};
const edited = structuredClone(schedule);
edited.spec.runTemplate.spec.workers = 7;
const allowing = { ...schedule, spec: { ...schedule.spec, concurrencyPolicy: 'Allow' as const } };

const runs = (...phases: BackfillRun['phase'][]): BackfillRun[] =>
  phases.map((phase, n) => ({ name: `run-${n}`, time: `2026-01-0${n + 1}T06:00:00Z`, phase }));

function crawlRun(name: string, type: 'Schedule' | 'Backfill', spec: object = {}, isFinished = false): CrawlRun {
  const finished = { type: 'Finished', status: 'True', reason: 'x', message: '', lastTransitionTime: '' } as const;
  return {
    ...{ apiVersion, kind: 'CrawlRun' },
    metadata: { name, namespace: 'default', uid: name, resourceVersion: '1' },
    spec: { sources: [], trigger: { type, scheduledTime: '2026-01-09T06:00:00Z' }, ...spec },
    status: { phase: isFinished ? 'Succeeded' : 'Running', conditions: isFinished ? [finished] : [] },
  };
}

const view = (more: Partial<Omit<BackfillView, 'spec'>> & { spec?: Partial<BackfillView['spec']> }): BackfillView => ({
  plan: { scheduleUid: 'shop-uid', template: templateHash(schedule) },
  ...{ runs: [], schedule, scheduleRuns: [] },
  ...more,
  spec: { maxActive: 1, suspend: false, cancel: false, ...more.spec },
});

const live = crawlRun('shop-live', 'Schedule');
const WAITING = runs('Waiting', 'Waiting', 'Waiting');

describe('makes', () => {
  const cases: [string, Parameters<typeof view>[0], string[], string][] = [
    ['the first', { runs: WAITING }, ['run-0'], 'RunsAtWork'],
    ['as many as may be at work', { runs: WAITING, spec: { maxActive: 2 } }, ['run-0', 'run-1'], 'RunsAtWork'],
    ['none while that many are', { runs: runs('Running', 'Waiting') }, [], 'RunsAtWork'],
    ['none for a run that is in line', { runs: runs('Queued', 'Waiting') }, [], 'RunsAtWork'],
    ['the next when one has failed', { runs: runs('Failed', 'Waiting') }, ['run-1'], 'RunsAtWork'],
    ['none when it may no longer have so many', { runs: runs('Running', 'Running', 'Waiting') }, [], 'RunsAtWork'],
    ['none while it is suspended', { runs: WAITING, spec: { suspend: true } }, [], 'Suspended'],
    ['none beside a run of the schedule', { runs: WAITING, scheduleRuns: [live] }, [], 'WaitingForSchedule'],
    [
      'the next when that has ended',
      { runs: WAITING, scheduleRuns: [crawlRun('shop-live', 'Schedule', {}, true)] },
      ['run-0'],
      'RunsAtWork',
    ],
    [
      'the next beside one where that is allowed',
      { runs: WAITING, scheduleRuns: [live], schedule: allowing },
      ['run-0'],
      'RunsAtWork',
    ],
    ['none of an edited template', { runs: WAITING, schedule: edited }, [], 'TemplateChanged'],
    [
      'nothing more once all are made, whatever was edited',
      { runs: runs('Running'), schedule: edited },
      [],
      'RunsAtWork',
    ],
  ];
  test.each(cases)('%s', (_, seen, made, reason) => {
    const step = nextStep(view(seen));
    expect(step.make.map(({ name }) => name)).toEqual(made);
    expect(step).toMatchObject({ reason, stop: [] });
  });
});

describe('ends', () => {
  test.each([
    ['Succeeded', 'AllSucceeded', runs('Succeeded', 'Partial'), {}],
    ['Failed', 'SomeRunsFailed', runs('Succeeded', 'TimedOut'), {}],
    ['Failed', 'SomeRunsFailed', runs('Succeeded', 'Stopped'), {}],
    ['Cancelled', 'Cancelled', runs('Succeeded', 'Waiting'), { spec: { cancel: true } }],
    ['Succeeded', 'AllSucceeded', runs('Succeeded'), { spec: { cancel: true } }],
    ['Cancelled', 'ScheduleGone', runs('Succeeded', 'Waiting'), { schedule: undefined }],
  ] as const)('as %s for %s', (phase, reason, given, more) => {
    expect(nextStep(view({ runs: given, ...more }))).toMatchObject({ phase, reason, make: [], stop: [] });
  });

  test('not with a namesake of its schedule', () => {
    const other = { ...schedule, metadata: { ...schedule.metadata, uid: 'other' } };
    expect(nextStep(view({ runs: WAITING, schedule: other }))).toMatchObject({ reason: 'ScheduleGone', make: [] });
  });
});

test('cancelled, it stops its own runs, each once, and makes none of the others', () => {
  const own = crawlRun('run-0', 'Backfill');
  const asked = crawlRun('run-1', 'Backfill', { shutdown: 'Stop' });
  const step = nextStep(
    view({ runs: runs('Running', 'Running', 'Waiting'), scheduleRuns: [own, asked, live], spec: { cancel: true } }),
  );
  expect(step.stop).toEqual([own]);
  expect(step).toMatchObject({ phase: 'Cancelling', make: [], runs: [{}, {}, { phase: 'Stopped' }] });
});

test('phases are those of the runs that are there; an end stays, and what is gone is asked for', () => {
  const there = new Map(['run-0', 'run-2'].map((name) => [name, crawlRun(name, 'Backfill')]));
  const seen = (name: string) => there.get(name);
  expect(withPhases(runs('Waiting', 'Running', 'Failed'), seen).map(({ phase }) => phase)).toEqual([
    ...['Running', 'Running', 'Failed'],
  ]);
  expect(goneRuns(runs('Pending', 'Running', 'Failed', 'Waiting'), seen).map(({ name }) => name)).toEqual(['run-1']);
});

test('progress counts each run once', () => {
  const all = runs('Waiting', 'Pending', 'Queued', 'Running', 'Paused', 'Stopping', 'Succeeded', 'Partial', 'Failed');
  expect(progressOf([...all, ...runs('TimedOut', 'Stopped')])).toEqual({
    ...{ total: 11, waiting: 1, active: 5, succeeded: 2, failed: 2, stopped: 1 },
  });
});
