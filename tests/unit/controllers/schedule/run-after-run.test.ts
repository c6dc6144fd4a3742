// Which ends of another schedule's runs are the slots of one that comes after it.
import { expect, test } from 'vitest';
import { findUpstream } from '#src/controllers/schedule/run-after-run.ts';
import type { CrawlRun, CrawlSchedule } from '#src/custom-resources/types.ts';
import type { RunPhase } from '#src/resources/crawl-run.ts';

const sources = [{ name: 'shop', urls: ['http://shop.example/'] }];
const END = '2026-01-01T12:00:00Z';

function schedule(name: string, after?: string): CrawlSchedule {
  const when = after === undefined ? { schedule: '0 * * * *' } : { after: { schedule: after } };
  return {
    ...{ apiVersion: 'trawler.dev/v1alpha1', kind: 'CrawlSchedule' },
    metadata: { name, namespace: 'default', uid: name, resourceVersion: '1' },
    spec: { ...when, runTemplate: { spec: { sources } } },
  };
}

function run(phase: RunPhase, trigger: CrawlRun['spec']['trigger'], labels: Record<string, string> = {}): CrawlRun {
  return {
    ...{ apiVersion: 'trawler.dev/v1alpha1', kind: 'CrawlRun' },
    metadata: { name: 'run', namespace: 'default', uid: 'run', resourceVersion: '1', labels },
    spec: { sources, trigger },
    status: { phase, completionTime: END },
  };
}

/** The slot that the end of this run makes. */
function slotAfter(upstream: CrawlSchedule, run: CrawlRun): Date | undefined {
  const found = findUpstream(schedule('report', 'shop'), { get: () => upstream }, () => [run]);
  return found.ok ? found.timetable.next(new Date(0)) : undefined;
}

const backfill = { 'trawler.dev/backfill-uid': 'uid' };

test.each<[string, CrawlRun, boolean]>([
  ['a run of a slot', run('Succeeded', { type: 'Schedule' }), true],
  ['a run with some results', run('Partial', { type: 'Schedule' }), true],
  ['a run by hand', run('Succeeded', { type: 'Manual' }), true],
  ['a retry that gave the results', run('Succeeded', { type: 'Retry' }), true],
  ['a run without results', run('Failed', { type: 'Schedule' }), false],
  ['a run of a backfill', run('Succeeded', { type: 'Backfill' }, backfill), false],
  ['a retry of a run of a backfill', run('Succeeded', { type: 'Retry' }, backfill), false],
])('what comes after: %s', (_what, one, isSlot) => {
  expect(slotAfter(schedule('shop'), one)).toEqual(isSlot ? new Date(END) : undefined);
});

test('a run that is gone is known from the status', () => {
  const upstream = { ...schedule('shop'), status: { lastSuccessfulTime: '2026-01-01T11:00:00Z' } };
  expect(slotAfter(upstream, run('Failed', { type: 'Schedule' }))).toEqual(new Date('2026-01-01T11:00:00Z'));
});
