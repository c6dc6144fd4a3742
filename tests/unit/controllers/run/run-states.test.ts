// The tables of phases and reasons against the function that computes them: each transition ends in the phase that it names.
import { describe, expect, test } from 'vitest';
import { type RunObservation, runStatus } from '#src/controllers/run/run-status.ts';
import type { CrawlRun } from '#src/custom-resources/types.ts';
import { RUN_CONDITIONS, RUN_REASONS, type RunConditionType, type RunReason } from '#src/resources/conditions.ts';
import { RUN_PHASES, type RunPhase } from '#src/resources/crawl-run.ts';
import { RUN_REASON_GUIDE, RUN_TRANSITIONS, SCHEDULE_REASON_GUIDE } from '#src/resources/run-states.ts';
import type { RunSnapshot } from '#src/store/operator-store.ts';

const NOW = new Date('2026-01-01T12:00:30Z');
const progress = { total: 3, queued: 1, leased: 0, succeeded: 2, failed: 0, skipped: 0, items: 2 };

const run: CrawlRun = {
  apiVersion: 'trawler.dev/v1alpha1',
  kind: 'CrawlRun',
  metadata: { name: 'shop-1', namespace: 'default', uid: 'run-uid', resourceVersion: '1', generation: 1 },
  spec: { sources: [{ name: 'shop', urls: ['http://shop.example/'] }] },
};

function seen(change: Partial<RunSnapshot>, rest: Partial<RunObservation> = {}): RunObservation {
  const snapshot: RunSnapshot = {
    ...{ runId: 'run-uid', namespace: 'default', name: 'shop-1', state: 'Accepted', acceptedAt: NOW, seeded: false },
    ...{ progress, sources: [], workers: [], blockedHosts: [], sharedHosts: [], spiderTraps: [], errors: 0 },
    pausedMs: 0,
    terminates: false,
    isUnderReview: false,
    ...{ skipReasons: {}, itemsLeftOut: {}, fieldCounts: {}, partialPages: {}, failureCauses: {} },
    ...change,
  };
  return { snapshot, pods: [], ...rest };
}

const RUNNING = { state: 'Running', startedAt: NOW } as const;
const obstacle = (reason: 'WaitingForSlot' | 'Unschedulable' | 'DatabaseUnavailable' | 'Paused'): RunObservation => {
  const message = 'as the test says';
  if (reason === 'Unschedulable') {
    return seen({}, { obstacle: { condition: 'Progressing', patience: 'StartDeadline', reason, message } });
  }
  return { pods: [], obstacle: { condition: 'Accepted', patience: 'Unlimited', reason, message } };
};
const paused: Partial<RunObservation> = {
  obstacle: { condition: 'Progressing', patience: 'Unlimited', reason: 'Paused', message: 'as the test says' },
};
const ended = (outcome: NonNullable<RunSnapshot['outcome']>, stopReason?: string) =>
  seen({ ...RUNNING, state: 'Finished', outcome, finishedAt: NOW, ...(stopReason ? { stopReason } : {}) });

/** What is found out about a run in each phase, in each way that leads to it. */
const OBSERVATIONS: Readonly<Record<RunPhase, readonly RunObservation[]>> = {
  Pending: [{ pods: [] }, seen({}), obstacle('Unschedulable'), obstacle('DatabaseUnavailable')],
  Queued: [obstacle('WaitingForSlot')],
  Running: [seen(RUNNING), seen(RUNNING, { aloneSince: NOW }), seen({ ...RUNNING, seeded: true })],
  Paused: [obstacle('Paused'), seen({}, paused)],
  Stopping: [seen({ ...RUNNING, stopReason: 'TimedOut' }), seen({ stopReason: 'Shutdown' })],
  Succeeded: [ended('Succeeded')],
  Partial: [ended('Partial')],
  Failed: [ended('Failed'), ended('Failed', 'DataLost'), ended('Failed', 'Unschedulable')],
  Stopped: [ended('Stopped', 'Shutdown')],
  TimedOut: [ended('TimedOut', 'TimedOut')],
};

describe('phases', () => {
  test.each(RUN_TRANSITIONS)('from $from to $to when $when', ({ from, to }) => {
    for (const before of OBSERVATIONS[from]) {
      const first = runStatus(run, before, NOW);
      expect(first.phase).toBe(from);
      for (const after of OBSERVATIONS[to]) {
        expect(runStatus({ ...run, status: first }, after, NOW).phase).toBe(to);
      }
    }
  });

  test('every phase is reached from the first one, and the ends alone have no way out', () => {
    const waysOut = (phase: RunPhase) => RUN_TRANSITIONS.filter(({ from }) => from === phase).map(({ to }) => to);
    const reached = new Set<RunPhase>(['Pending']);
    for (const phase of reached) for (const next of waysOut(phase)) reached.add(next);
    expect([...reached].toSorted()).toEqual([...RUN_PHASES].toSorted());
    const ends = RUN_PHASES.filter((phase) => waysOut(phase).length === 0);
    const finished = RUN_PHASES.filter((phase) =>
      OBSERVATIONS[phase].every((after) =>
        runStatus(run, after, NOW).conditions?.some(({ type, status }) => type === 'Finished' && status === 'True'),
      ),
    );
    expect(ends).toEqual(finished);
  });
});

describe('reasons', () => {
  test.each(RUN_PHASES)('of the conditions of a run that is %s are those that the table allows', (phase) => {
    for (const observation of OBSERVATIONS[phase]) {
      for (const { type, reason } of runStatus(run, observation, NOW).conditions ?? []) {
        const guide = RUN_REASON_GUIDE[reason as RunReason];
        expect({ reason, conditions: guide.conditions }).toMatchObject({
          conditions: expect.arrayContaining([type]),
        });
      }
    }
  });

  test('each belongs to a condition, and says in sentences what it means and what to do', () => {
    const guides = [...Object.entries(RUN_REASON_GUIDE), ...Object.entries(SCHEDULE_REASON_GUIDE)];
    for (const [reason, { meaning, advice }] of guides) {
      for (const sentence of [meaning, ...(advice === undefined ? [] : [advice])]) {
        expect(sentence, reason).toMatch(/^\S.{10,200}\.$/);
      }
    }
    const used = new Set<RunConditionType>(RUN_REASONS.flatMap((reason) => RUN_REASON_GUIDE[reason].conditions));
    expect([...used].toSorted()).toEqual([...RUN_CONDITIONS].toSorted());
  });

  test('those that hold a run up or end it badly have advice', () => {
    const bad = RUN_REASONS.filter((reason) => RUN_REASON_GUIDE[reason].conditions.includes('Failed'));
    expect(bad.filter((reason) => RUN_REASON_GUIDE[reason].advice === undefined)).toEqual([]);
  });
});
