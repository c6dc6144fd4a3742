import { describe, expect, test } from 'vitest';
import { type FailuresInARow, failuresInARow } from '#src/controllers/schedule/failures-in-a-row.ts';
import { lateness } from '#src/controllers/schedule/lateness.ts';
import type { CrawlRun, CrawlSchedule } from '#src/custom-resources/types.ts';
import type { RunPhase } from '#src/resources/crawl-run.ts';

const NOW = new Date('2026-01-02T00:00:00Z');
const sources = [{ name: 'shop', urls: ['http://shop.example/'] }];

type Trigger = NonNullable<CrawlRun['spec']['trigger']>['type'];

const at = (hour: number) => new Date(Date.UTC(2026, 0, 1, hour)).toISOString().replace('.000Z', 'Z');

/** A run that was made at this hour and ended half an hour later. */
function run(hour: number, phase: RunPhase, type: Trigger = 'Schedule'): CrawlRun {
  const isGood = phase === 'Succeeded' || phase === 'Partial' || phase === 'Stopped';
  const done = { status: 'True' as const, reason: 'x', message: '', lastTransitionTime: at(hour) };
  return {
    apiVersion: 'trawler.dev/v1alpha1',
    kind: 'CrawlRun',
    metadata: {
      name: `shop-${hour}`,
      namespace: 'default',
      uid: `${hour}`,
      resourceVersion: '1',
      creationTimestamp: at(hour),
    },
    spec: { sources, trigger: { type, ...(type === 'Manual' ? {} : { scheduledTime: at(hour) }) } },
    status: {
      phase,
      completionTime: at(hour).replace(':00:00Z', ':30:00Z'),
      conditions: [isGood ? 'Complete' : 'Failed', 'Finished'].map((name) => ({ type: name, ...done })),
    },
  };
}

function schedule(status?: CrawlSchedule['status'], generation = 1, resume?: string): CrawlSchedule {
  return {
    apiVersion: 'trawler.dev/v1alpha1',
    kind: 'CrawlSchedule',
    metadata: {
      ...{ name: 'shop', namespace: 'default', uid: 'uid', resourceVersion: '1', generation },
      creationTimestamp: at(0),
      ...(resume ? { annotations: { 'trawler.dev/resume-requested': resume } } : {}),
    },
    spec: { schedule: '0 * * * *', runTemplate: { spec: { sources } } },
    ...(status ? { status } : {}),
  };
}

const look = (of: CrawlSchedule, runs: CrawlRun[], limit = 3) =>
  failuresInARow(of, { suspendAfterFailures: limit }, runs, NOW);

const counted = (seen: FailuresInARow | undefined) => seen?.runs.map(({ name }) => name);

const three = [run(1, 'Failed'), run(2, 'TimedOut'), run(3, 'Failed')];
const SUSPENDED = { since: '2026-01-02T00:00:00Z', generation: 1 };

describe('what is counted', () => {
  test.each<[string, CrawlRun[], string[]]>([
    ['failures of the timetable', three, ['shop-1', 'shop-2', 'shop-3']],
    ['one that made up for a missed slot', [run(1, 'Failed', 'CatchUp')], ['shop-1']],
    ['not those by hand', [run(1, 'Failed', 'Manual'), run(2, 'Failed', 'Backfill'), run(3, 'Failed', 'Retry')], []],
    ['nothing before a success', [run(1, 'Failed'), run(2, 'Succeeded'), run(3, 'Failed')], ['shop-3']],
    ['nothing before a success in part', [run(1, 'Failed'), run(2, 'Partial')], []],
    ['nothing before a success by hand', [run(1, 'Failed'), run(2, 'Succeeded', 'Manual')], []],
    ['what was before a success of a backfill', [run(1, 'Failed'), run(2, 'Succeeded', 'Backfill')], ['shop-1']],
    ['a stopped run is neither', [run(1, 'Failed'), run(2, 'Stopped'), run(3, 'Failed')], ['shop-1', 'shop-3']],
    ['in whatever order they are seen', [run(3, 'Failed'), run(2, 'Succeeded'), run(1, 'Failed')], ['shop-3']],
  ])('%s', (_what, runs, names) => {
    expect(counted(look(schedule(), runs))).toEqual(names);
  });

  test('runs that the history has deleted since, each once', () => {
    const before = look(schedule(), three.slice(0, 2), 5);
    const after = look(schedule({ failures: before }), three.slice(1), 5);
    expect(counted(after)).toEqual(['shop-1', 'shop-2', 'shop-3']);
  });

  test('nothing that was there before the field was set, or a status was wiped', () => {
    expect(look(schedule({ observedGeneration: 1 }), three)).toEqual({ since: '2026-01-02T00:00:00Z', runs: [] });
  });

  test('nothing without the field', () => {
    expect(failuresInARow(schedule(), {}, three, NOW)).toBeUndefined();
  });
});

describe('a suspension', () => {
  const before = look(schedule(), three);
  const suspended = (more: object = {}) => ({ failures: before, ...more });

  test('begins with the last of so many failures, and not before', () => {
    expect(look(schedule(), three.slice(1))?.suspended).toBeUndefined();
    expect(before?.suspended).toEqual(SUSPENDED);
  });

  test('stays when the same manifest is applied again, and when its runs are gone', () => {
    expect(look(schedule(suspended()), three)).toEqual(before);
    expect(look(schedule(suspended()), [])).toEqual(before);
  });

  const fresh = { since: '2026-01-02T00:00:00Z', runs: [], resumedAt: '2026-01-02T00:00:00Z' };

  test('ends with an edit: the count begins anew', () => {
    const edited = look(schedule(suspended(), 2), three);
    expect(edited).toEqual(fresh);
    expect(look(schedule({ failures: edited }, 2), three)).toEqual(fresh);
  });

  test('ends with a request, once for each of its values', () => {
    expect(look(schedule(suspended(), 1, 'monday'), three)).toEqual(fresh);
    expect(look(schedule(suspended({ lastHandledResumeRequest: 'monday' }), 1, 'monday'), three)).toEqual(before);
    expect(look(schedule(suspended({ lastHandledResumeRequest: 'monday' }), 1, 'friday'), three)).toEqual(fresh);
  });

  test('does not end with the success of a backfill', () => {
    expect(look(schedule(suspended()), [...three, run(4, 'Succeeded', 'Backfill')])).toEqual(before);
  });

  test.each<Trigger>(['Manual', 'Retry'])('ends with a success of trigger %s', (type) => {
    const {
      suspended: now,
      resumedAt,
      runs,
    } = look(schedule(suspended()), [...three, run(4, 'Succeeded', type)]) ?? {};
    expect([now, resumedAt, runs]).toEqual([undefined, '2026-01-02T00:00:00Z', []]);
  });
});

test.each<[string, string | undefined, string, boolean | undefined]>([
  ['a success within the deadline', at(20), at(0), false],
  ['a success that is as old as the deadline', at(12), at(0), true],
  ['none since the creation', undefined, at(0), true],
  ['none since a resume, which is not long ago', at(1), at(13), false],
])('%s', (_what, lastSuccess, since, isLate) => {
  expect(lateness({ successDeadline: '12h', suspend: false }, lastSuccess, since, NOW)?.isLate).toBe(isLate);
  expect(lateness({ successDeadline: '12h', suspend: true }, lastSuccess, since, NOW)?.isLate).toBe(false);
  expect(lateness({ suspend: false }, lastSuccess, since, NOW)).toBeUndefined();
});
