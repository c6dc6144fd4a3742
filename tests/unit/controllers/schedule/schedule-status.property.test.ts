// Whatever a schedule's runs are like, and however many they are: the status is one that the CRD's own schema takes.
import { Ajv } from 'ajv';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { scheduleStatus } from '#src/controllers/schedule/schedule-status.ts';
import type { CrawlRun } from '#src/custom-resources/types.ts';
import { clampToSchema } from '#src/resources/clamp.ts';
import { RUN_PHASES } from '#src/resources/crawl-run.ts';
import { crawlScheduleStatus } from '#src/resources/crawl-schedule.ts';
import { customResourceDefinitions } from '#src/resources/custom-resource-definition.ts';
import { schemaOf } from '../../../support/schema-values.ts';

const NOW = new Date('2026-01-01T12:00:30Z');
const isValid = new Ajv({ strict: false, formats: { int64: true, 'date-time': true } }).compile(
  schemaOf(customResourceDefinitions().get('crawlschedules'), 'status'),
);

const text = fc
  .tuple(fc.string({ unit: 'binary', maxLength: 12 }), fc.constantFrom(1, 30, 4_000))
  .map(([part, times]) => part.repeat(times));
const time = fc.date({ min: new Date(0), max: NOW, noInvalidDate: true });
const run: fc.Arbitrary<CrawlRun> = fc
  .record({ name: text, phase: fc.constantFrom(...RUN_PHASES), at: time, items: fc.nat(), isFinished: fc.boolean() })
  .map(({ name, phase, at, items, isFinished }) => {
    const done = { status: 'True' as const, reason: 'x', message: '', lastTransitionTime: at.toISOString() };
    const conditions = isFinished ? ['Complete', 'Finished'].map((type) => ({ type, ...done })) : [];
    return {
      ...{ apiVersion: 'trawler.dev/v1alpha1', kind: 'CrawlRun' },
      metadata: { name, namespace: 'a', uid: name, resourceVersion: '1', creationTimestamp: at.toISOString() },
      spec: { sources: [], trigger: { type: 'Schedule', scheduledTime: at.toISOString() } },
      status: { phase, completionTime: at.toISOString(), progress: { items }, conditions },
    };
  });
const runs = fc.oneof(
  fc.array(run, { maxLength: 4 }),
  run.map((one) => Array.from({ length: 150 }, () => one)),
);

test('a status is within what its schema allows', () => {
  fc.assert(
    fc.property(
      runs,
      text,
      text,
      fc.array(time, { maxLength: 9 }),
      fc.nat(),
      (owned, message, request, upcoming, ms) => {
        const status = scheduleStatus(
          undefined,
          {
            generation: 1,
            timing: { schedule: message, timeZone: message, suspend: false, since: NOW.toISOString() },
            runs: owned,
            ready: { status: 'False', reason: 'RunRefused', message },
            upcoming,
            skipped: NOW,
            interval: { ms, run: request, reason: message },
            handledRequest: request,
          },
          NOW,
        );
        const written = JSON.parse(JSON.stringify(clampToSchema(crawlScheduleStatus, status)));
        expect(isValid(written) || isValid.errors).toBe(true);
        expect(written.activeCount).toBe(owned.filter(({ status: is }) => is?.conditions?.length === 0).length);
      },
    ),
    { numRuns: 100 },
  );
});
