import { describe, expect, test } from 'vitest';
import { currentInterval } from '#src/controllers/schedule/current-interval.ts';
import { isResultReported } from '#src/controllers/schedule/run-result.ts';
import {
  expiredRuns,
  type ScheduleObservation,
  scheduleCursor,
  scheduleStatus,
  timingInForce,
} from '#src/controllers/schedule/schedule-status.ts';
import type { CrawlRun, CrawlSchedule } from '#src/custom-resources/types.ts';
import type { RunPhase } from '#src/resources/crawl-run.ts';
import { crawlScheduleSpec } from '#src/resources/crawl-schedule.ts';

const NOW = new Date('2026-01-01T12:00:30Z');
const sources = [{ name: 'shop', urls: ['http://shop.example/'] }];

function schedule(spec: object = {}, status?: CrawlSchedule['status']): CrawlSchedule {
  return {
    apiVersion: 'trawler.dev/v1alpha1',
    kind: 'CrawlSchedule',
    metadata: {
      name: 'shop',
      namespace: 'default',
      uid: 'schedule-uid',
      resourceVersion: '1',
      generation: 3,
      creationTimestamp: '2026-01-01T00:00:00Z',
    },
    spec: { schedule: '0 * * * *', runTemplate: { spec: { sources } }, ...spec },
    ...(status ? { status } : {}),
  };
}

function run(slot: string, phase?: RunPhase, completionTime = slot): CrawlRun {
  const isGood = phase === 'Succeeded' || phase === 'Partial' || phase === 'Stopped';
  const condition = (type: string) => ({
    type,
    status: 'True' as const,
    reason: 'x',
    message: '',
    lastTransitionTime: slot,
  });
  return {
    apiVersion: 'trawler.dev/v1alpha1',
    kind: 'CrawlRun',
    metadata: {
      name: `shop-${Date.parse(slot) / 1_000}`,
      namespace: 'default',
      uid: slot,
      resourceVersion: '1',
      creationTimestamp: slot,
    },
    spec: { sources, trigger: { type: 'Schedule', scheduledTime: slot } },
    ...(phase
      ? {
          status: {
            phase,
            completionTime,
            conditions: [condition(isGood ? 'Complete' : 'Failed'), condition('Finished')],
          },
        }
      : {}),
  };
}

/** A run that fills in a past time, or a retry of one. */
function ofBackfill(made: string, phase: RunPhase | undefined, type: 'Backfill' | 'Retry'): CrawlRun {
  const one = run(made, phase);
  one.metadata.labels = { 'trawler.dev/backfill-uid': 'backfill-uid' };
  one.spec.trigger = { type, scheduledTime: '2025-12-01T00:00:00Z' };
  return one;
}

const spec = (object: CrawlSchedule) => crawlScheduleSpec.parse(object.spec);
const names = (runs: readonly CrawlRun[]) => runs.map((one) => one.metadata.uid);

describe('timingInForce', () => {
  test('a schedule never seen before counts from its creation', () => {
    expect(timingInForce(schedule(), spec(schedule()), NOW).since).toBe('2026-01-01T00:00:00.000Z');
  });

  const known = { schedule: '0 * * * *', timeZone: 'Etc/UTC', suspend: false, since: '2026-01-01T00:00:00Z' };

  test('what is unchanged stays in force since when it was', () => {
    const seen = schedule({}, { timing: known });
    expect(timingInForce(seen, spec(seen), NOW)).toBe(known);
  });

  test.each([
    ['the schedule', { schedule: '30 * * * *' }],
    ['the zone', { timeZone: 'Europe/Paris' }],
    ['suspend', { suspend: true }],
  ])('a change of %s counts from now: no runs for the past', (_what, change) => {
    const edited = schedule(change, { timing: known });
    expect(timingInForce(edited, spec(edited), NOW)).toMatchObject({ ...change, since: NOW.toISOString() });
  });
});

describe('scheduleCursor', () => {
  const timing = { schedule: '0 * * * *', timeZone: 'Etc/UTC', suspend: false, since: '2026-01-01T00:00:00Z' };

  test('is the latest of all that remembers', () => {
    const status = { lastScheduleTime: '2026-01-01T03:00:00Z', lastSkippedTime: '2026-01-01T04:00:00Z' };
    expect(scheduleCursor(timing, status, [])).toEqual(new Date('2026-01-01T04:00:00Z'));
    expect(scheduleCursor(timing, status, [run('2026-01-01T05:00:00Z')])).toEqual(new Date('2026-01-01T05:00:00Z'));
  });

  test('needs no status: the runs remember', () => {
    expect(scheduleCursor(timing, undefined, [run('2026-01-01T05:00:00Z')])).toEqual(new Date('2026-01-01T05:00:00Z'));
  });

  test.each(['Manual', 'Backfill', 'Retry', 'CatchUp'] as const)(
    'a run of type %s moves it when it has a slot',
    (type) => {
      const other = run('2026-01-01T05:00:00Z');
      other.spec.trigger = { type, ...(type === 'Manual' ? {} : { scheduledTime: '2026-01-01T05:00:00Z' }) };
      const moved = type === 'CatchUp' ? '2026-01-01T05:00:00Z' : '2026-01-01T00:00:00Z';
      expect(scheduleCursor(timing, undefined, [other])).toEqual(new Date(moved));
    },
  );
});

describe('expiredRuns', () => {
  const limits = spec(schedule({ successfulRunsHistoryLimit: 1, failedRunsHistoryLimit: 1 }));
  const runs = [
    run('2026-01-01T01:00:00Z', 'Succeeded'),
    run('2026-01-01T02:00:00Z', 'Failed'),
    run('2026-01-01T03:00:00Z', 'Partial'),
    run('2026-01-01T04:00:00Z', 'TimedOut'),
    run('2026-01-01T05:00:00Z'),
  ];

  test('are the oldest of each kind beyond its limit, never an active one', () => {
    expect(names(expiredRuns(limits, runs, undefined))).toEqual(['2026-01-01T01:00:00Z', '2026-01-01T02:00:00Z']);
  });

  test("of a backfill count for themselves, and take none of the schedule's own away", () => {
    const own = run('2026-01-01T03:00:00Z', 'Succeeded');
    const backfilled = ['2026-01-01T06:00:00Z', '2026-01-01T07:00:00Z'].map((slot) => {
      const one = run(slot, 'Succeeded');
      one.metadata.labels = { 'trawler.dev/backfill-uid': 'backfill-uid' };
      return one;
    });
    expect(names(expiredRuns(limits, [own, ...backfilled], undefined))).toEqual(['2026-01-01T06:00:00Z']);
  });

  test('never contain the run that remembers the cursor', () => {
    const none = spec(schedule({ successfulRunsHistoryLimit: 0, failedRunsHistoryLimit: 0 }));
    const keep = runs[3]?.metadata.name;
    expect(names(expiredRuns(none, runs, keep))).not.toContain('2026-01-01T04:00:00Z');
    expect(expiredRuns(none, runs, keep)).toHaveLength(3);
  });
});

describe('scheduleStatus', () => {
  const timing = { schedule: '0 * * * *', timeZone: 'Etc/UTC', suspend: false, since: '2026-01-01T00:00:00Z' };
  const ready = { status: 'True', reason: 'Scheduled', message: 'in force' } as const;

  function statusOf(before: CrawlSchedule['status'], seen: Partial<ScheduleObservation>) {
    return scheduleStatus(before, { generation: 3, timing, runs: [], ready, upcoming: [], ...seen }, NOW);
  }

  test('tells active runs, the newest run and the next time', () => {
    const runs = [run('2026-01-01T11:00:00Z', 'Succeeded', '2026-01-01T11:07:00Z'), run('2026-01-01T12:00:00Z')];
    const status = statusOf(undefined, { runs, upcoming: [new Date('2026-01-01T13:00:00Z')] });
    expect(status).toMatchObject({
      observedGeneration: 3,
      conditions: [{ type: 'Ready', observedGeneration: 3 }],
      active: ['shop-1767268800'],
      activeCount: 1,
      lastScheduleTime: '2026-01-01T12:00:00Z',
      lastSuccessfulTime: '2026-01-01T11:07:00Z',
      nextScheduleTime: '2026-01-01T13:00:00Z',
      lastRun: { name: 'shop-1767268800', phase: 'Pending' },
    });
    expect(status).not.toHaveProperty('lastFailureTime');
  });

  const before = {
    lastSuccessfulTime: '2026-01-01T01:00:00Z',
    lastRun: { name: 'shop-1', phase: 'Succeeded', creationTimestamp: '2026-01-01T01:00:00Z' },
    lastScheduleTime: '2026-01-01T01:00:00Z',
  } as const;

  test('keeps what only deleted runs knew', () => {
    expect(statusOf(before, {})).toMatchObject(before);
  });

  test('the last run stays the last one when it is gone and older ones are not', () => {
    expect(statusOf(before, { runs: [run('2026-01-01T00:00:00Z', 'Failed')] }).lastRun).toEqual(before.lastRun);
    expect(statusOf(before, { runs: [run('2026-01-01T02:00:00Z', 'Failed')] }).lastRun?.phase).toBe('Failed');
  });

  test('a last run that went before its end is not shown as running for ever', () => {
    const running = { ...before, lastRun: { ...before.lastRun, phase: 'Running' } } as const;
    expect(statusOf(running, {}).lastRun).toMatchObject({ name: 'shop-1', phase: 'Stopped' });
  });

  test('keeps the times that it was derived from when the status is wiped meanwhile', () => {
    const known = { lastScheduleTime: '2026-01-01T01:00:00Z', lastSkippedTime: '2026-01-01T02:00:00Z' };
    expect(statusOf(undefined, { known })).toMatchObject(known);
  });

  test('a stopped run is neither a success nor a failure', () => {
    const status = statusOf(undefined, { runs: [run('2026-01-01T11:00:00Z', 'Stopped')] });
    expect(status).not.toHaveProperty('lastSuccessfulTime');
    expect(status).not.toHaveProperty('lastFailureTime');
  });

  test('a backfill of a later time does not look like a slot that was started', () => {
    const backfill = run('2026-01-01T11:00:00Z', 'Succeeded');
    backfill.spec.trigger = { type: 'Backfill', scheduledTime: '2026-01-01T11:00:00Z' };
    expect(statusOf(before, { runs: [backfill] }).lastScheduleTime).toBe(before.lastScheduleTime);
  });

  test.each([
    ['Succeeded', 'Backfill'],
    ['Failed', 'Backfill'],
    ['Succeeded', 'Retry'],
    ['Failed', 'Retry'],
    [undefined, 'Backfill'],
  ] as const)('a run of a backfill that is %s (trigger %s) is not how the schedule fares', (phase, type) => {
    const told = { ...before, lastFailureTime: '2026-01-01T00:30:00Z' };
    const status = statusOf(told, { runs: [ofBackfill('2026-01-01T11:00:00Z', phase, type)] });
    expect(status).toMatchObject(told);
    expect(status.activeCount).toBe(phase === undefined ? 1 : 0);
  });

  test.each(['Manual', 'Retry', 'CatchUp'] as const)('a run of trigger %s is', (type) => {
    const own = run('2026-01-01T11:00:00Z', 'Succeeded');
    own.spec.trigger = { type };
    expect(statusOf(before, { runs: [own] })).toMatchObject({
      lastRun: { name: own.metadata.name, phase: 'Succeeded' },
      lastSuccessfulTime: '2026-01-01T11:00:00Z',
    });
  });

  test('successes of a backfill do not keep a schedule from being late', () => {
    const late = (one: CrawlRun) =>
      statusOf(undefined, { runs: [one], spec: { successDeadline: '1h', suspend: false } }).conditions?.find(
        ({ type }) => type === 'Late',
      )?.status;
    expect(late(run('2026-01-01T11:50:00Z', 'Succeeded'))).toBe('False');
    expect(late(ofBackfill('2026-01-01T11:50:00Z', 'Succeeded', 'Backfill'))).toBe('True');
  });

  test('a suspended schedule keeps its adapted interval, and so does one that cannot be read', () => {
    const adapted = { currentInterval: '1h30m', adaptation: { run: 'shop-1', reason: 'shorter' } };
    const interval = { ms: 5_400_000, ...adapted.adaptation };
    expect(statusOf(adapted, { interval })).toMatchObject(adapted);
    const unread: ScheduleObservation = { generation: 4, runs: [], ready, upcoming: [], known: adapted };
    expect(scheduleStatus(adapted, unread, NOW)).toMatchObject(adapted);
    expect(statusOf(adapted, {})).not.toHaveProperty('currentInterval');
  });
});

describe('isResultReported', () => {
  const success = run('2026-01-01T11:00:00Z', 'Succeeded', '2026-01-01T11:07:00Z');
  const name = success.metadata.name;

  test.each<[string, CrawlSchedule['status'], boolean]>([
    ['nothing was told yet', undefined, false],
    ['an older success was told', { lastSuccessfulTime: '2026-01-01T10:00:00Z' }, false],
    ['its success was told', { lastSuccessfulTime: '2026-01-01T11:07:00Z' }, true],
    [
      'its success was told, but it is shown as running',
      { lastSuccessfulTime: '2026-01-01T11:07:00Z', lastRun: { name, phase: 'Running' } },
      false,
    ],
  ])('%s', (_what, status, isReported) => {
    expect(isResultReported(status, success)).toBe(isReported);
  });

  test('what a backfill found is not to be told', () => {
    expect(isResultReported(undefined, ofBackfill('2026-01-01T11:00:00Z', 'Succeeded', 'Backfill'))).toBe(true);
  });

  test('a failure is told by its own time, a stop by the last run', () => {
    const failure = run('2026-01-01T11:00:00Z', 'TimedOut');
    expect(isResultReported({ lastSuccessfulTime: '2026-01-01T12:00:00Z' }, failure)).toBe(false);
    expect(isResultReported({ lastFailureTime: '2026-01-01T11:00:00Z' }, failure)).toBe(true);
    const stopped = run('2026-01-01T11:00:00Z', 'Stopped');
    expect(isResultReported({ lastRun: { name, phase: 'Stopping' } }, stopped)).toBe(false);
    expect(isResultReported({ lastRun: { name, phase: 'Stopped' } }, stopped)).toBe(true);
  });
});

describe('currentInterval', () => {
  const adaptive = (status?: CrawlSchedule['status']) =>
    schedule({ schedule: undefined, interval: '2h', adaptive: { min: '1h', max: '4h' } }, status);
  const busy = { ...run('2026-01-01T11:00:00Z', 'Succeeded') };
  busy.status = { ...busy.status, changes: { changed: 9, unchanged: 1 } };

  test('is none for a schedule that does not adapt', () => {
    expect(currentInterval(schedule(), spec(schedule()), [busy])).toBeUndefined();
  });

  test('starts at spec.interval and takes one step for each run that ended', () => {
    expect(currentInterval(adaptive(), spec(adaptive()), [])).toEqual({ ms: 7_200_000 });
    const step = { ms: 3_600_000, run: busy.metadata.name, reason: 'shorter: 9 of 10 pages are not as before' };
    expect(currentInterval(adaptive(), spec(adaptive()), [busy])).toEqual(step);
    const adapted = adaptive({ currentInterval: '1h', adaptation: { run: step.run, reason: step.reason } });
    expect(currentInterval(adapted, spec(adapted), [busy])).toEqual(step);
  });

  test('takes no step for a run of a backfill', () => {
    const quiet = run('2026-01-01T11:30:00Z', 'Succeeded');
    quiet.spec.trigger = { type: 'Backfill', scheduledTime: '2025-12-01T00:00:00Z' };
    quiet.status = { ...quiet.status, changes: { unchanged: 10 } };
    expect(currentInterval(adaptive(), spec(adaptive()), [quiet])).toEqual({ ms: 7_200_000 });
    expect(currentInterval(adaptive(), spec(adaptive()), [quiet, busy])?.ms).toBe(3_600_000);
  });

  test.each<[string, Partial<CrawlRun['spec']>]>([
    ['the dead letters', { trigger: { type: 'Retry', retryOf: 'shop-1', only: 'Dead' } }],
    ['the failed sources', { trigger: { type: 'Retry', retryOf: 'shop-1', only: 'FailedSources' } }],
    ['chosen sources', { trigger: { type: 'Retry', retryOf: 'shop-1', only: 'All', sources: ['shop'] } }],
    ['one of two sources by hand', { trigger: { type: 'Manual' }, sources: oneOfTwo('blog') }],
  ])('takes no step for a run of a part: %s', (_part, of) => {
    const part = run('2026-01-01T11:30:00Z', 'Succeeded');
    part.spec = { ...part.spec, sources: oneOfTwo(), ...of };
    part.status = { ...part.status, changes: { unchanged: 10 } };
    const ofTwo = adaptive();
    ofTwo.spec.runTemplate.spec.sources = oneOfTwo();
    expect(currentInterval(ofTwo, spec(ofTwo), [part])).toEqual({ ms: 7_200_000 });
    expect(currentInterval(ofTwo, spec(ofTwo), [part, busy])?.ms).toBe(3_600_000);
    const whole = { ...part, spec: { ...part.spec, trigger: { type: 'Manual' as const }, sources: oneOfTwo() } };
    expect(currentInterval(ofTwo, spec(ofTwo), [whole])?.ms).toBe(10_800_000);
  });

  /** Both of them without `off`. */
  function oneOfTwo(off?: string): CrawlRun['spec']['sources'] {
    return ['shop', 'blog'].map((name) => ({ name, urls: [`http://${name}.example/`], active: name !== off }));
  }

  test('takes no step for an older run that is left when the last one is gone', () => {
    const told = adaptive({ ...step(), lastSuccessfulTime: '2026-01-01T12:00:00Z' });
    expect(currentInterval(told, spec(told), [busy])?.ms).toBe(5_400_000);
    const lagging = adaptive({ ...step(), lastSuccessfulTime: '2026-01-01T10:00:00Z' });
    expect(currentInterval(lagging, spec(lagging), [busy])?.ms).toBe(3_600_000);
  });

  test('an edit of spec.interval starts anew, and what is no duration is not gone by', () => {
    const timing = { schedule: '3h', timeZone: 'Etc/UTC', suspend: false, since: '2026-01-01T00:00:00Z' };
    const edited = adaptive({ ...step(), timing });
    expect(currentInterval(edited, spec(edited), [])).toEqual({ ms: 7_200_000 });
    const broken = adaptive({ currentInterval: 'soon' });
    expect(currentInterval(broken, spec(broken), [])).toEqual({ ms: 7_200_000 });
  });

  const step = () => ({ currentInterval: '1h30m', adaptation: { run: 'shop-gone', reason: 'kept' } });
});
