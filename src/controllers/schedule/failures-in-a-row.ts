// When a schedule suspends itself after failures, and what ends that. Pure functions.
import { type CrawlRun, type CrawlSchedule, isSlotRun } from '../../custom-resources/types.ts';
import { timestamp } from '../../kube/time.ts';
import type { CrawlScheduleSpec, CrawlScheduleStatus } from '../../resources/crawl-schedule.ts';
import { ANNOTATION } from '../../resources/group.ts';
import { ownRuns } from './run-order.ts';
import { resumeRequestIn } from './run-request.ts';
import { resultOf } from './run-result.ts';

export type FailuresInARow = NonNullable<CrawlScheduleStatus['failures']>;

/** As many as spec.suspendAfterFailures can be. */
const MOST_COUNTED = 100;

/**
 * The failures in a row, and whether they suspend the schedule. Runs of the timetable count; a success of any of its own runs,
 * also of one by hand, begins anew. A suspension is of one generation of the spec: an edit ends it, and applying the same manifest
 * again does not.
 * @param runs of the schedule; those that are gone stand in its status
 * @returns undefined without spec.suspendAfterFailures
 */
export function failuresInARow(
  schedule: CrawlSchedule,
  spec: Pick<CrawlScheduleSpec, 'suspendAfterFailures'>,
  runs: readonly CrawlRun[],
  now: Date,
): FailuresInARow | undefined {
  const { status, metadata } = schedule;
  if (spec.suspendAfterFailures === undefined) return undefined;
  const known = status?.failures;
  const generation = metadata.generation ?? 0;
  const isEdited = known?.suspended !== undefined && known.suspended.generation !== generation;
  if (isEdited || isResumeRequested(schedule)) return { since: timestamp(now), runs: [], resumedAt: timestamp(now) };

  const since = known?.since ?? (status === undefined ? metadata.creationTimestamp : undefined) ?? timestamp(now);
  const failed = failuresSince(known, runs, since, lastSuccess(status, runs));
  const resumedAt = known?.resumedAt === undefined ? {} : { resumedAt: known.resumedAt };
  if (failed.length >= spec.suspendAfterFailures) {
    const suspended = known?.suspended ?? { since: timestamp(now), generation };
    return { since, runs: failed, suspended, ...resumedAt };
  }
  const isEnded = known?.suspended !== undefined; // by a success
  return { since, runs: failed, ...(isEnded ? { resumedAt: timestamp(now) } : resumedAt) };
}

export function suspensionMessage({ runs }: FailuresInARow): string {
  const last = runs.at(-1)?.name;
  return `${runs.length} runs in a row have failed, ${last} last: no new runs are made until the spec is edited, a run succeeds or the annotation ${ANNOTATION.resumeRequested} has a new value`;
}

export function isResumeRequested(schedule: CrawlSchedule): boolean {
  const request = resumeRequestIn(schedule);
  return request !== undefined && request !== schedule.status?.lastHandledResumeRequest;
}

function failuresSince(
  known: FailuresInARow | undefined,
  runs: readonly CrawlRun[],
  since: string,
  success: number,
): FailuresInARow['runs'] {
  const found = runs
    .filter((run) => isSlotRun(run) && resultOf(run) === 'Failure')
    .filter(({ metadata }) => Date.parse(metadata.creationTimestamp ?? '') >= Date.parse(since))
    .map(({ metadata, status }) => ({ name: metadata.name, completionTime: status?.completionTime ?? since }));
  const all = new Map([...(known?.runs ?? []), ...found].map((failure) => [failure.name, failure]));
  return [...all.values()]
    .filter(({ completionTime }) => Date.parse(completionTime) > success)
    .sort((a, b) => Date.parse(a.completionTime) - Date.parse(b.completionTime))
    .slice(-MOST_COUNTED);
}

function lastSuccess(status: CrawlScheduleStatus | undefined, runs: readonly CrawlRun[]): number {
  const successes = ownRuns(runs).filter((run) => resultOf(run) === 'Success');
  const times = successes.map((run) => run.status?.completionTime);
  return Math.max(0, ...[status?.lastSuccessfulTime, ...times].map((time) => (time ? Date.parse(time) : 0)));
}
