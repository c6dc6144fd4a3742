// Every policy with every kind of run, in every phase, with and without jitter: what becomes of a slot.
import { describe, expect, test } from 'vitest';
import { decideSlot, isCatchUp, type SlotPolicy, startOfSlot } from '#src/controllers/schedule/slot-decision.ts';
import type { CrawlRun } from '#src/custom-resources/types.ts';
import { TRIGGER_TYPES } from '#src/resources/crawl-run.ts';
import { CONCURRENCY_POLICIES } from '#src/resources/crawl-schedule.ts';

const SLOT = new Date('2026-01-01T12:00:00Z');
const JITTERS = [0, 90_000];
const seconds = (count: number) => new Date(SLOT.getTime() + count * 1_000);
const iso = (time: Date) => time.toISOString();

type TriggerType = (typeof TRIGGER_TYPES)[number];
/** Before, at and after the slot with a jitter of 90 s; still queued, at work, or ended at so many seconds. */
const STATES = ['Queued', 'Running', -60, 30, 120] as const;
type State = (typeof STATES)[number];

function run(type: TriggerType, state: State): CrawlRun {
  const condition = (name: string) => ({
    ...{ type: name, status: 'True' as const, reason: 'x', message: '', lastTransitionTime: iso(SLOT) },
  });
  const isFromSlot = type === 'Schedule' || type === 'CatchUp';
  const hasEnded = typeof state === 'number';
  return {
    apiVersion: 'trawler.dev/v1alpha1',
    kind: 'CrawlRun',
    metadata: { name: `${type}-${state}`, namespace: 'default', uid: `${type}-${state}`, resourceVersion: '1' },
    spec: { sources: [], trigger: { type, ...(isFromSlot ? { scheduledTime: iso(seconds(-3_600)) } : {}) } },
    status: {
      ...(hasEnded ? { completionTime: iso(seconds(state)) } : {}),
      conditions: [
        ...(state === 'Queued' ? [] : [condition('Accepted')]),
        ...(hasEnded ? [condition('Complete'), condition('Finished')] : []),
      ],
    },
  };
}

/** The rules in words, once more: what has not ended, and what ended after the new run would start; no backfill. */
function isInTheWay(type: TriggerType, state: State, jitterMs: number): boolean {
  if (type === 'Backfill') return false;
  if (state === 'Running') return true;
  if (state === 'Queued') return type === 'Schedule' || type === 'CatchUp';
  return state * 1_000 > jitterMs;
}

const policy = (concurrencyPolicy: SlotPolicy['concurrencyPolicy'], maxQueuedRuns = 1) => ({
  concurrencyPolicy,
  maxQueuedRuns,
});
const START = { type: 'Start', stop: [] };

describe.each(JITTERS)('with a jitter of %i ms', (jitterMs) => {
  const start = startOfSlot(SLOT, jitterMs, seconds(jitterMs / 1_000));
  const combinations = TRIGGER_TYPES.flatMap((type) => STATES.map((state) => [type, state] as const));

  test.each(combinations)('a run of type %s, state %s', (type, state) => {
    const one = run(type, state);
    const obstructs = isInTheWay(type, state, jitterMs);
    const isUnfinished = typeof state === 'string';
    const expected = {
      Allow: START,
      Forbid: obstructs ? { type: 'Skip', reason: 'JobAlreadyActive' } : START,
      Replace: { type: 'Start', stop: obstructs && isUnfinished ? [one] : [] },
      Queue: START,
    };
    for (const name of CONCURRENCY_POLICIES) {
      expect(decideSlot([one], SLOT, start, policy(name)), name).toMatchObject(expected[name]);
    }
  });
});

test('Forbid says which run was active, and when', () => {
  const decision = decideSlot([run('Manual', 'Running')], SLOT, seconds(5), policy('Forbid'));
  expect(decision).toEqual({
    type: 'Skip',
    reason: 'JobAlreadyActive',
    message: 'Manual-Running was still active at 2026-01-01T12:00:05.000Z and spec.concurrencyPolicy is Forbid',
  });
});

describe('Queue', () => {
  const one = run('Schedule', 'Running');
  const waiting = (count: number, type: TriggerType = 'Schedule') =>
    Array.from({ length: count }, () => run(type, 'Queued'));

  test('has one at work and as many that wait as it says', () => {
    expect(decideSlot([one], SLOT, SLOT, policy('Queue'))).toEqual(START);
    expect(decideSlot([one, ...waiting(1)], SLOT, SLOT, policy('Queue'))).toMatchObject({ reason: 'QueueFull' });
    expect(decideSlot([one, ...waiting(1)], SLOT, SLOT, policy('Queue', 2))).toEqual(START);
  });

  test('is not filled by runs by hand that wait', () => {
    expect(decideSlot([one, ...waiting(50, 'Manual')], SLOT, SLOT, policy('Queue'))).toEqual(START);
  });
});

test('a run that tries one of a backfill again is not in the way of a slot, either', () => {
  const retry = run('Retry', 'Running');
  expect(decideSlot([retry], SLOT, SLOT, policy('Forbid'))).toMatchObject({ type: 'Skip' });
  retry.metadata.labels = { 'trawler.dev/backfill-uid': 'backfill-uid' };
  for (const name of CONCURRENCY_POLICIES) expect(decideSlot([retry], SLOT, SLOT, policy(name))).toEqual(START);
});

test("the slot's own run is not in its way", () => {
  const own = run('Schedule', 'Running');
  own.spec.trigger = { type: 'Schedule', scheduledTime: iso(SLOT) };
  expect(decideSlot([own], SLOT, SLOT, policy('Forbid'))).toEqual(START);
  expect(decideSlot([own], SLOT, SLOT, policy('Replace'))).toEqual(START);
});

test('a slot is judged by its planned time, and by now when that is over for long', () => {
  expect(startOfSlot(SLOT, 30_000, seconds(31))).toEqual(seconds(30));
  expect(startOfSlot(SLOT, 30_000, seconds(90))).toEqual(seconds(30));
  expect(isCatchUp(SLOT, 30_000, seconds(90))).toBe(false);
  expect(startOfSlot(SLOT, 30_000, seconds(91))).toEqual(seconds(91));
  expect(isCatchUp(SLOT, 30_000, seconds(91))).toBe(true);
});

test('a run that ended while no operator looked is not in the way of a slot that is made up for', () => {
  const late = startOfSlot(SLOT, 0, seconds(3_000));
  expect(decideSlot([run('Schedule', 120)], SLOT, late, policy('Forbid'))).toEqual(START);
});
