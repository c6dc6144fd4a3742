// Which runs get the image that is tried out, and what is made of how it fares.
import { describe, expect, test } from 'vitest';
import { canaryStatus, ENOUGH_RUNS, judgeCanary, withCanary } from '#src/controllers/schedule/canary.ts';
import { slotRun } from '#src/custom-resources/new-runs.ts';
import type { CrawlSchedule } from '#src/custom-resources/types.ts';
import { crawlScheduleSpec } from '#src/resources/crawl-schedule.ts';
import type { ImageFigures } from '#src/store/execution-store.ts';

const image = 'registry.test/crawler:next';
const schedule: CrawlSchedule = {
  ...{ apiVersion: 'trawler.dev/v1alpha1', kind: 'CrawlSchedule' },
  metadata: { name: 'shop', namespace: 'default', uid: 'uid', resourceVersion: '1' },
  spec: {
    schedule: '@hourly',
    runTemplate: {
      spec: { image: 'registry.test/crawler:now', sources: [{ name: 's', urls: ['http://s.example/'] }] },
    },
  },
};
const spec = crawlScheduleSpec.parse(schedule.spec);
const runOf = (hour: number, percent: number) =>
  withCanary(slotRun(schedule, spec, new Date(hour * 3_600_000), 'Schedule'), { image, percent });

describe('runs with the canary', () => {
  test.each([
    [1, 5, 15],
    [10, 80, 120],
    [50, 450, 550],
    [100, 1_000, 1_000],
  ])('%i percent of a thousand are between %i and %i', (percent, least, most) => {
    const found = Array.from({ length: 1_000 }, (_, hour) => runOf(hour, percent)).filter(
      (run) => run.spec.image === image,
    );
    expect(found.length).toBeGreaterThanOrEqual(least);
    expect(found.length).toBeLessThanOrEqual(most);
    expect(found.every(({ metadata }) => metadata.labels?.['trawler.dev/canary'] === 'true')).toBe(true);
  });

  test('are the same each time, and stay so when the percentage grows', () => {
    const drawn = (percent: number) =>
      Array.from({ length: 200 }, (_, hour) => hour).filter((hour) => runOf(hour, percent).spec.image === image);
    expect(drawn(20)).toEqual(drawn(20));
    expect(drawn(50)).toEqual(expect.arrayContaining(drawn(20)));
  });

  test('are none without one, and the others keep their image', () => {
    const run = slotRun(schedule, spec, new Date(0), 'Schedule');
    expect(withCanary(run, undefined)).toBe(run);
    const others = Array.from({ length: 100 }, (_, hour) => runOf(hour, 10)).filter((one) => one.spec.image !== image);
    expect(new Set(others.map((one) => one.spec.image))).toEqual(new Set(['registry.test/crawler:now']));
    expect(others.every(({ metadata }) => metadata.labels?.['trawler.dev/canary'] === undefined)).toBe(true);
  });
});

const usual: ImageFigures = { runs: 10, failedRuns: 1, pages: 1_000, failedPages: 10, seconds: 100, items: 500 };

describe('the verdict', () => {
  test.each<[string, Partial<ImageFigures>, 'Healthy' | 'Worse' | 'Undecided', RegExp]>([
    ['as the current image', {}, 'Healthy', /10 runs against 10/],
    ['better', { failedRuns: 0, failedPages: 0, seconds: 10, items: 900 }, 'Healthy', /./],
    ['too few runs', { runs: ENOUGH_RUNS - 1 }, 'Undecided', /the canary has had 2/],
    ['one failed run more', { failedRuns: 2 }, 'Worse', /2 of 10 runs failed, against 1 of 10/],
    ['one failed run of three', { runs: 3, failedRuns: 1 }, 'Healthy', /./],
    ['two failed runs of three', { runs: 3, failedRuns: 2 }, 'Worse', /2 of 3 runs failed/],
    ['as many pages fail as chance may bring', { failedPages: 30 }, 'Healthy', /./],
    ['more pages fail', { failedPages: 31 }, 'Worse', /3\.10% of the pages failed, against 1\.00%/],
    ['half as long again', { seconds: 150 }, 'Healthy', /./],
    ['longer', { seconds: 151 }, 'Worse', /it takes 151 s, against 100 s/],
    ['a tenth fewer items', { items: 450 }, 'Healthy', /./],
    ['fewer items', { items: 449 }, 'Worse', /it finds 449 items, against 500/],
    ['no item, no page', { pages: 0, failedPages: 0, items: 0 }, 'Worse', /it finds 0 items/],
  ])('%s', (_, canary, verdict, message) => {
    const judged = judgeCanary({ ...usual, ...canary }, usual);
    expect(judged).toEqual({ verdict, message: expect.stringMatching(message) });
  });

  test('waits for enough runs of the current image', () => {
    expect(judgeCanary(usual, { ...usual, runs: 2 })).toMatchObject({ verdict: 'Undecided' });
  });

  test('leaves short crawls their chance, and says all that is worse', () => {
    const short = { ...usual, seconds: 2 };
    expect(judgeCanary({ ...short, seconds: 12 }, short).verdict).toBe('Healthy');
    expect(judgeCanary({ ...short, seconds: 13, items: 0 }, short).message).toMatch(/13 s.*; it finds 0 items/);
  });

  test('is shown with its figures', () => {
    const since = '2026-01-01T00:00:00Z';
    const none = { runs: 0, failedRuns: 0, pages: 0, failedPages: 0 };
    expect(canaryStatus({ image, percent: 10 }, since, { ofImage: usual, ofOthers: none })).toMatchObject({
      ...{ image, since, verdict: 'Undecided' },
      canary: { runs: 10, failedRuns: 1, errorRate: '1.00%', durationSeconds: 100, items: 500 },
      current: { runs: 0, failedRuns: 0 },
    });
  });
});
