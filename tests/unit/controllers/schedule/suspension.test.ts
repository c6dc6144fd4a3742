// Suspensions with and without an end, as tables.
import { describe, expect, test } from 'vitest';
import { timingInForce } from '#src/controllers/schedule/schedule-status.ts';
import { resumedAt, specInForce, suspensionEnd, suspensionReason } from '#src/controllers/schedule/suspension.ts';
import type { CrawlSchedule } from '#src/custom-resources/types.ts';
import { crawlScheduleSpec } from '#src/resources/crawl-schedule.ts';

const NOON = new Date('2026-01-01T12:00:00Z');
const BEFORE = '2026-01-01T11:00:00Z';
const LATER = '2026-01-01T14:00:00+01:00';
const sources = [{ name: 'shop', urls: ['http://shop.example/'] }];

test.each([
  [{ suspend: false }, false, undefined],
  [{ suspend: false, suspendUntil: LATER }, false, undefined],
  [{ suspend: true }, true, undefined],
  [{ suspend: true, suspendUntil: LATER }, true, '2026-01-01T13:00:00.000Z'],
  [{ suspend: true, suspendUntil: NOON.toISOString() }, false, NOON.toISOString()],
  [{ suspend: true, suspendUntil: BEFORE }, false, '2026-01-01T11:00:00.000Z'],
])('%o at noon', (spec, suspend, end) => {
  expect(specInForce(spec, NOON).suspend).toBe(suspend);
  expect(suspensionEnd(spec)?.toISOString()).toBe(end);
});

test.each([
  ['by itself, seen late', { suspend: false, suspendUntil: BEFORE }, '2026-01-01T11:00:00.000Z'],
  ['by hand, before its end', { suspend: false, suspendUntil: LATER }, NOON.toISOString()],
  ['by hand, without an end', { suspend: false }, NOON.toISOString()],
])('a suspension that ended %s', (_what, spec, since) => {
  expect(resumedAt(spec, NOON).toISOString()).toBe(since);
});

test.each([
  [{ suspend: true }, 'spec.suspend is true: no new runs are made'],
  [{ suspend: true, suspendUntil: LATER }, 'spec.suspend is true until 2026-01-01T13:00:00Z: no new runs are made'],
  [{ suspend: true, suspendNote: 'the shop moves' }, 'spec.suspend is true: no new runs are made (the shop moves)'],
])('%o says why', (spec, message) => {
  expect(suspensionReason(spec)).toBe(message);
});

describe('slots count', () => {
  const known = { schedule: '0 * * * *', timeZone: 'Etc/UTC', suspend: true, since: '2026-01-01T00:00:00.000Z' };
  const schedule = (timing: object): CrawlSchedule => ({
    apiVersion: 'trawler.dev/v1alpha1',
    kind: 'CrawlSchedule',
    metadata: { name: 'shop', namespace: 'default', uid: 'uid', resourceVersion: '1' },
    spec: { runTemplate: { spec: { sources } } },
    status: { timing: { ...known, ...timing } },
  });
  const spec = (more: object) =>
    specInForce(
      crawlScheduleSpec.parse({ schedule: '0 * * * *', suspend: true, runTemplate: { spec: { sources } }, ...more }),
      NOON,
    );

  test.each([
    ['from the end of a suspension that is over', {}, { suspendUntil: BEFORE }, '2026-01-01T11:00:00.000Z'],
    ['from now, where the suspension was taken back', {}, { suspend: false, suspendUntil: LATER }, NOON.toISOString()],
    [
      'from now, where the times were edited as well',
      {},
      { schedule: '5 * * * *', suspendUntil: BEFORE },
      NOON.toISOString(),
    ],
    ['as before while it lasts', {}, { suspendUntil: LATER }, known.since],
    ['as before, long after it', { suspend: false, since: BEFORE }, { suspendUntil: BEFORE }, BEFORE],
    [
      'not from before the suspension, where its end had passed then',
      { since: '2026-01-01T11:30:00.000Z' },
      { suspendUntil: BEFORE },
      '2026-01-01T11:30:00.000Z',
    ],
  ])('%s', (_what, timing, more, since) => {
    expect(timingInForce(schedule(timing), spec(more), NOON).since).toBe(since);
  });
});
