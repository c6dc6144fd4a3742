// Which times a backfill makes runs for, by what became of them before, and when a plan is another one.
import { describe, expect, test } from 'vitest';
import { type Past, planBackfill, slotsOf, takenTimes } from '#src/controllers/backfill/backfill-plan.ts';
import { backfillRunName } from '#src/custom-resources/new-runs.ts';
import type { CrawlBackfill, CrawlRun, CrawlSchedule } from '#src/custom-resources/types.ts';
import type { CrawlBackfillSpec } from '#src/resources/crawl-backfill.ts';
import type { RunPhase } from '#src/resources/crawl-run.ts';
import { crawlScheduleSpec } from '#src/resources/crawl-schedule.ts';
import type { RunOutcome } from '#src/store/run-outcome.ts';

const apiVersion = 'trawler.dev/v1alpha1';
const NOW = new Date('2026-01-10T00:00:00Z');
const RANGE = { from: '2026-01-01T00:00:00Z', to: '2026-01-03T12:00:00Z' };

function schedule(when: object = { schedule: '0 6 * * *' }, workers = 1): CrawlSchedule {
  const runTemplate = { spec: { sources: [{ name: 's', urls: ['http://s.example/'] }], workers } };
  const metadata = { name: 'shop', namespace: 'default', uid: 'shop-uid', resourceVersion: '1' };
  return { apiVersion, kind: 'CrawlSchedule', metadata, spec: { ...when, runTemplate } };
}

const backfill: CrawlBackfill = {
  ...{ apiVersion, kind: 'CrawlBackfill' },
  metadata: { name: 'january', namespace: 'default', uid: 'january-uid', resourceVersion: '1' },
  spec: { scheduleName: 'shop', ...RANGE },
};
const FIRST = new Date('2026-01-01T06:00:00Z');
const NOTHING: Past = { runs: [], ended: [], taken: new Set() };

function run(phase: RunPhase, slot = FIRST, name = 'shop-1'): CrawlRun {
  const isOver = !['Pending', 'Queued', 'Running', 'Paused', 'Stopping'].includes(phase);
  const finished = { type: 'Finished', status: 'True', reason: 'x', message: '', lastTransitionTime: '' } as const;
  return {
    ...{ apiVersion, kind: 'CrawlRun' },
    metadata: { name, namespace: 'default', uid: name, resourceVersion: '1' },
    spec: { sources: [], trigger: { type: 'Schedule', scheduledTime: slot.toISOString() } },
    status: { phase, conditions: isOver ? [finished] : [] },
  };
}

function timesOf(past: Partial<Past>, reprocess: CrawlBackfillSpec['reprocess'] = 'None', of = schedule()): string[] {
  const slots = slotsIn(of);
  const planning = planBackfill(of, backfill, reprocess, slots, { ...NOTHING, ...past });
  return planning.ok ? planning.plan.runs.map(({ time }) => time.slice(8, 10)) : [planning.reason];
}

function slotsIn(of: CrawlSchedule): Date[] {
  const found = slotsOf(of, crawlScheduleSpec.parse(of.spec), RANGE, NOW);
  if (!found.ok) throw new Error(found.reason);
  return found.slots;
}

test('all times of the range, each with the name that its run will have', () => {
  expect(timesOf({})).toEqual(['01', '02', '03']);
  const planning = planBackfill(schedule(), backfill, 'None', [FIRST], NOTHING);
  expect(planning).toMatchObject({ plan: { runs: [{ name: backfillRunName('shop', FIRST, backfill) }], skipped: 0 } });
});

describe('a time that has had a run', () => {
  const all = ['01', '02', '03'];
  const others = ['02', '03'];
  const cases: [RunPhase, ...Record<CrawlBackfillSpec['reprocess'], string[]>[]][] = [
    ['Succeeded', { None: others, Failed: others, All: all }],
    ['Partial', { None: others, Failed: others, All: all }],
    ['Failed', { None: others, Failed: all, All: all }],
    ['TimedOut', { None: others, Failed: all, All: all }],
    ['Stopped', { None: others, Failed: all, All: all }],
    ['Running', { None: others, Failed: others, All: others }],
    ['Paused', { None: others, Failed: others, All: others }],
  ];
  test.each(cases)('which is %s', (phase, expected) => {
    for (const reprocess of ['None', 'Failed', 'All'] as const) {
      expect(timesOf({ runs: [run(phase)] }, reprocess), reprocess).toEqual(expected?.[reprocess]);
      if (phase === 'Running' || phase === 'Paused') continue;
      const ended = [{ name: 'gone', scheduledTime: FIRST, outcome: phase as RunOutcome }];
      expect(timesOf({ ended }, reprocess), `${reprocess}, gone`).toEqual(expected?.[reprocess]);
    }
  });

  test('and then a retry that gave results has results', () => {
    const ended = (['Failed', 'Succeeded', 'Failed'] as const).map((outcome, n) => ({
      ...{ name: `run-${n}`, scheduledTime: FIRST, outcome },
    }));
    expect(timesOf({ ended }, 'Failed')).toEqual(others);
  });

  test('of this backfill itself is planned all the same, with its end', () => {
    const name = backfillRunName('shop', FIRST, backfill);
    expect(timesOf({ runs: [run('Running', FIRST, name)] })).toEqual(all);
    const past = { ...NOTHING, ended: [{ name, scheduledTime: FIRST, outcome: 'Failed' as const }] };
    const slots = slotsIn(schedule());
    const after = planBackfill(schedule(), backfill, 'None', slots, past);
    const before = planBackfill(schedule(), backfill, 'None', slots, NOTHING);
    expect(after).toMatchObject({ plan: { runs: [{ phase: 'Failed' }, { phase: 'Waiting' }, { phase: 'Waiting' }] } });
    expect(after.ok && before.ok && after.plan.hash === before.plan.hash).toBe(true);
  });
});

test('what another backfill is about to make is left out, and only that', () => {
  const one = (phase: 'Waiting' | 'Failed') => ({ name: 'x', time: FIRST.toISOString(), phase });
  const approvedPlan = '0123456789ab';
  expect(timesOf({ taken: takenTimes([{ status: { approvedPlan, runs: [one('Waiting')] } }]) })).toEqual(['02', '03']);
  expect(
    takenTimes([{ status: { runs: [one('Waiting')] } }, { status: { approvedPlan, runs: [one('Failed')] } }]),
  ).toEqual(new Set());
});

test('the hash is of the runs and of what they are made of', () => {
  const hash = (of: CrawlSchedule, past: Partial<Past> = {}) => {
    const planning = planBackfill(of, backfill, 'None', slotsIn(of), { ...NOTHING, ...past });
    return planning.ok ? planning.plan.hash : planning.reason;
  };
  const before = hash(schedule());
  expect(hash(schedule())).toBe(before);
  expect(hash(schedule({ schedule: '0 6 * * *', jitterSeconds: 5 }))).toBe(before);
  const { name, urls } = { name: 's', urls: ['http://s.example/'] };
  const reordered = schedule();
  reordered.spec.runTemplate = { spec: { workers: 1, sources: [{ urls, name }] } };
  expect(hash(reordered), 'the order of keys means nothing').toBe(before);
  expect(hash(schedule(undefined, 2))).not.toBe(before);
  expect(hash(schedule({ schedule: '0 7 * * *' }))).not.toBe(before);
  expect(hash(schedule(), { runs: [run('Running')] })).not.toBe(before);
});

describe('there is no plan', () => {
  test.each([
    ['TimesAhead', { schedule: '0 6 * * *' }, { ...RANGE, to: '2026-02-01T00:00:00Z' }],
    ['TooManyRuns', { schedule: '* * * * *' }, RANGE],
    ['ScheduleWithoutTimes', { after: { schedule: 'other' } }, RANGE],
    ['InvalidSchedule', { schedule: '0 6 30 2 *' }, RANGE],
  ])('%s', (reason, when, range) => {
    const of = schedule(when);
    expect(slotsOf(of, crawlScheduleSpec.parse(of.spec), range, NOW)).toMatchObject({ ok: false, reason });
  });

  test('where nothing is left to do', () => {
    expect(timesOf({}, 'None', schedule({ schedule: '0 6 1 7 *' }))).toEqual(['NothingToDo']);
    const runs = slotsIn(schedule()).map((slot) => run('Succeeded', slot));
    expect(timesOf({ runs })).toEqual(['NothingToDo']);
  });
});

test('an interval counts from the start of the range', () => {
  const slots = slotsIn(schedule({ interval: '24h' }));
  expect(slots.map((slot) => slot.toISOString())).toEqual(['2026-01-02T00:00:00.000Z', '2026-01-03T00:00:00.000Z']);
});
