// No reconcile throws for what the API server let in: random specs by the CRDs' own schemas go through everything that both
// controllers work out from a spec.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { crawlJob, runDay } from '#src/controllers/run/crawl-job.ts';
import { runStatus } from '#src/controllers/run/run-status.ts';
import { currentInterval } from '#src/controllers/schedule/current-interval.ts';
import { scheduleCursor, scheduleStatus, timingInForce } from '#src/controllers/schedule/schedule-status.ts';
import { decideSlot, startOfSlot } from '#src/controllers/schedule/slot-decision.ts';
import { manualRun, retryRun, slotRun } from '#src/custom-resources/new-runs.ts';
import type { CrawlRun, CrawlSchedule } from '#src/custom-resources/types.ts';
import { type CrawlRunSpecInput, crawlRunSpec } from '#src/resources/crawl-run.ts';
import { type CrawlScheduleSpecInput, crawlScheduleSpec } from '#src/resources/crawl-schedule.ts';
import { customResourceDefinitions } from '#src/resources/custom-resource-definition.ts';
import { durationMs } from '#src/resources/duration.ts';
import { hostSpacingMs } from '#src/resources/politeness.ts';
import { parseCronCached } from '#src/schedule/cron.ts';
import { dueSlots } from '#src/schedule/due.ts';
import { intervalTimetable } from '#src/schedule/timetable.ts';
import { JOB_SETTINGS } from '../../support/job-settings.ts';
import { schemaOf, valuesOf } from '../../support/schema-values.ts';

const definitions = customResourceDefinitions();
const NOW = new Date('2026-01-01T12:00:30Z');
const CREATED = '2026-01-01T11:00:00Z';
const object = (kind: string, uid: string) => ({
  ...{ apiVersion: 'trawler.dev/v1alpha1', kind },
  metadata: { name: 'shop', namespace: 'default', uid, resourceVersion: '1', creationTimestamp: CREATED },
});

/** Most random texts are no expression; the schema lets in both. */
const expressions = fc.constantFrom('* * * * * *', '0 6 * * *', 'H H(0-7) * * *', '@every 5m', 'TZ=Etc/UTC @daily', '');
const scheduleSpecs = fc
  .tuple(valuesOf(schemaOf(definitions.get('crawlschedules'), 'spec')), fc.option(expressions))
  .map(([spec, schedule]) => {
    return (schedule ? { ...(spec as object), schedule } : spec) as CrawlScheduleSpecInput;
  });
const runSpecs = valuesOf(schemaOf(definitions.get('crawlruns'), 'spec')) as fc.Arbitrary<CrawlRunSpecInput>;
const interval = fc.option(fc.constantFrom('1s', '0s', '87600h', 'soon', ''), { nil: undefined });

test('what a schedule makes of its spec', () => {
  fc.assert(
    fc.property(scheduleSpecs, interval, (given, adapted) => {
      const schedule: CrawlSchedule = {
        ...object('CrawlSchedule', 'schedule-uid'),
        spec: given,
        ...(adapted === undefined ? {} : { status: { currentInterval: adapted } }),
      };
      const parsed = crawlScheduleSpec.safeParse(given);
      expect(parsed.error?.issues).toBeUndefined();
      const spec = crawlScheduleSpec.parse(given);
      const timing = timingInForce(schedule, spec, NOW);
      const run = { ...object('CrawlRun', 'run-uid'), ...slotRun(schedule, spec, NOW, 'Schedule') } as CrawlRun;
      const current = currentInterval(schedule, spec, [run]);
      const cursor = scheduleCursor(timing, schedule.status, []);
      const cron = spec.schedule === undefined ? undefined : parseCronCached(spec.schedule, spec.timeZone, 'uid');
      const timetable = cron?.ok
        ? cron.timetable
        : intervalTimetable(current?.ms ?? durationMs(spec.interval ?? '1h'), cursor);
      const { slots } = dueSlots({ timetable, cursor, now: NOW, catchUp: spec.catchUp });
      for (const slot of slots) {
        expect(slot.getTime()).toBeLessThanOrEqual(NOW.getTime());
        decideSlot([run], slot, startOfSlot(slot, spec.jitterSeconds * 1_000, NOW), spec);
      }
      const next = timetable.next(NOW);
      if (next) expect(next.getTime()).toBeGreaterThan(NOW.getTime());
      const ready = { status: 'True', reason: 'Scheduled', message: '' } as const;
      const seen = {
        generation: 1,
        timing,
        runs: [run],
        ready,
        upcoming: [],
        ...(current ? { interval: current } : {}),
      };
      expect(scheduleStatus(undefined, seen, NOW).lastRun?.name).toBeDefined();
      manualRun(schedule, spec, NOW);
      retryRun(run, { only: 'All' }, 1);
    }),
    { numRuns: 300 },
  );
});

test('what a run makes of its spec', () => {
  fc.assert(
    fc.property(runSpecs, (given) => {
      const run: CrawlRun = { ...object('CrawlRun', 'run-uid'), spec: given };
      const parsed = crawlRunSpec.safeParse(given);
      expect(parsed.error?.issues).toBeUndefined();
      const spec = crawlRunSpec.parse(given);
      expect(hostSpacingMs(spec.politeness)).toBeGreaterThan(0);
      for (const text of [spec.fetch.pageTimeout, spec.heartbeat.interval, spec.proxy?.cooldown ?? '1s']) {
        expect(durationMs(text)).toBeGreaterThan(0);
        // Beyond, timers of Node.js fire at once.
        expect(durationMs(text)).toBeLessThan(2 ** 31);
      }
      expect(runDay(run)).toBe('2026-01-01');
      expect(crawlJob(run, spec, JOB_SETTINGS).metadata.name).toBe('shop');
      expect(runStatus(run, { pods: [] }, NOW).phase).toBeDefined();
    }),
    { numRuns: 150 },
  );
});
