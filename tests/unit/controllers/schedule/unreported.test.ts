// What is kept of a schedule until its status holds it.
import { expect, test } from 'vitest';
import { createUnreported } from '#src/controllers/schedule/unreported.ts';
import type { CrawlRun, CrawlSchedule } from '#src/custom-resources/types.ts';
import type { CacheChange } from '#src/kube/cache.ts';
import type { KubeObject } from '#src/kube/kube-object.ts';

const SLOT = new Date('2026-01-01T12:00:00Z');

function scheduleOf(generation: number, status?: CrawlSchedule['status']): CrawlSchedule {
  return {
    apiVersion: 'trawler.dev/v1alpha1',
    kind: 'CrawlSchedule',
    metadata: { name: 'shop', namespace: 'a', uid: 'schedule-uid', resourceVersion: '1', generation },
    spec: { schedule: '@daily', runTemplate: { spec: { sources: [] } } },
    ...(status ? { status } : {}),
  };
}

function fakeCache<T extends KubeObject>(objects: T[]) {
  const handlers: ((change: CacheChange<T>) => void)[] = [];
  return {
    get: () => objects[0],
    subscribe: (handler: (change: CacheChange<T>) => void) => handlers.push(handler),
    emit: (change: CacheChange<T>) => {
      for (const handler of handlers) handler(change);
    },
  };
}

function setUp(schedule: CrawlSchedule) {
  const schedules = fakeCache([schedule]);
  const runs = fakeCache<CrawlRun>([]);
  const options = { scheduleCache: schedules, runCache: runs } as unknown as Parameters<typeof createUnreported>[0];
  return { unreported: createUnreported(options), schedules, runs };
}

test('skips and requests are reported once; what comes while a status is written is for the next one', () => {
  const schedule = scheduleOf(1);
  const { unreported } = setUp(schedule);
  unreported.noteSkip(schedule, SLOT);
  const first = unreported.take(schedule);
  expect(first.reported).toEqual({ skipped: SLOT });
  const later = new Date(SLOT.getTime() + 60_000);
  unreported.noteSkip(schedule, later);
  unreported.noteRequest(schedule, 'now');
  first.wasWritten();
  expect(unreported.hasNews(schedule)).toBe(true);
  const second = unreported.take(schedule);
  expect(second.reported).toEqual({ skipped: later, handledRequest: 'now' });
  second.wasWritten();
  expect(unreported.hasNews(schedule)).toBe(false);
});

test('a refusal holds until a run is taken or the schedule is edited, and its tries are counted', () => {
  const schedule = scheduleOf(1);
  const { unreported } = setUp(schedule);
  unreported.noteRefusal(schedule, 'exceeded quota');
  unreported.noteRefusal(schedule, 'exceeded quota');
  unreported.take(schedule).wasWritten();
  expect(unreported.refusal(schedule)).toEqual({ generation: 1, message: 'exceeded quota', count: 2 });
  expect(unreported.refusal(scheduleOf(2))).toBeUndefined();
  unreported.forgetRefusal(schedule);
  expect(unreported.refusal(schedule)).toBeUndefined();
});

test('a refusal that an operator before this one met is read off the status, until a run is taken', () => {
  const status = { status: 'False' as const, reason: 'RunRefused', message: 'no', lastTransitionTime: '' };
  const refused = scheduleOf(3, { conditions: [{ type: 'Ready', ...status, observedGeneration: 3 }] });
  const { unreported } = setUp(refused);
  expect(unreported.refusal(refused)).toMatchObject({ message: 'no' });
  expect(unreported.refusal({ ...refused, metadata: { ...refused.metadata, generation: 4 } })).toBeUndefined();
  unreported.forgetRefusal(refused);
  expect(unreported.refusal(refused)).toBeUndefined();
});

test('a finished run that is gone is kept until its result is reported', () => {
  const schedule = scheduleOf(1);
  const { unreported, runs, schedules } = setUp(schedule);
  const done = { status: 'True' as const, reason: 'x', message: '', lastTransitionTime: '' };
  const conditions = ['Complete', 'Finished'].map((type) => ({ type, ...done }));
  const owner = { apiVersion: '', kind: 'CrawlSchedule', name: 'shop', uid: 'schedule-uid', controller: true };
  const run: CrawlRun = {
    ...{ apiVersion: 'trawler.dev/v1alpha1', kind: 'CrawlRun', spec: { sources: [] } },
    metadata: { name: 'shop-1', namespace: 'a', uid: 'run-uid', resourceVersion: '1', ownerReferences: [owner] },
    status: { phase: 'Succeeded', completionTime: '2026-01-01T12:10:00Z', conditions },
  };
  runs.emit({ type: 'deleted', object: { ...run, status: { phase: 'Running' } } });
  expect(unreported.goneRuns(schedule)).toEqual([]);
  runs.emit({ type: 'deleted', object: run });
  expect(unreported.goneRuns(schedule)).toEqual([run]);
  unreported.take(schedule).wasWritten();
  expect(unreported.goneRuns(schedule)).toEqual([]);
  runs.emit({ type: 'deleted', object: run });
  schedules.emit({ type: 'deleted', object: schedule });
  expect(unreported.goneRuns(schedule)).toEqual([]);
});
