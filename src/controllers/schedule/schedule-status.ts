// What a CrawlSchedule's status says, from the schedule and its runs. Pure functions.
import { type CrawlRun, type CrawlSchedule, isFinished, isSlotRun, phaseOf } from '../../custom-resources/types.ts';
import { type Condition, isConditionTrue, setCondition } from '../../kube/conditions.ts';
import { timestamp } from '../../kube/time.ts';
import type { ScheduleConditionType, ScheduleReason } from '../../resources/conditions.ts';
import type { CrawlScheduleSpec, CrawlScheduleStatus } from '../../resources/crawl-schedule.ts';
import { defined } from '../../resources/defined.ts';
import { formatDuration } from '../../resources/duration.ts';
import { LABEL } from '../../resources/group.ts';
import type { CurrentInterval } from './current-interval.ts';
import { type FailuresInARow, suspensionMessage } from './failures-in-a-row.ts';
import { lateness } from './lateness.ts';
import { newestFirst, nominalTime, ownRuns } from './run-order.ts';
import { resultOf } from './run-result.ts';
import { resumedAt } from './suspension.ts';

export type Timing = NonNullable<CrawlScheduleStatus['timing']>;
type LastRun = NonNullable<CrawlScheduleStatus['lastRun']>;

/**
 * When-to-run as it is in force. An edit of schedule or zone and a resume count from now on; a schedule that was never
 * seen before counts from its creation, so that an operator that was away at that time loses nothing.
 */
export function timingInForce(schedule: CrawlSchedule, spec: CrawlScheduleSpec, now: Date): Timing {
  const wanted = {
    schedule: spec.schedule ?? spec.interval ?? `after ${spec.after?.schedule}`,
    timeZone: spec.timeZone,
    suspend: spec.suspend,
  };
  const known = schedule.status?.timing;
  if (known === undefined) {
    const since = spec.suspend ? now : new Date(schedule.metadata.creationTimestamp ?? now);
    return { ...wanted, since: since.toISOString() };
  }
  const unchanged =
    known.schedule === wanted.schedule && known.timeZone === wanted.timeZone && known.suspend === wanted.suspend;
  if (unchanged) return known;
  const isOtherwiseSame = known.schedule === wanted.schedule && known.timeZone === wanted.timeZone;
  const since = isOtherwiseSame && known.suspend ? resumedAt(spec, now) : now;
  return { ...wanted, since: new Date(Math.max(since.getTime(), Date.parse(known.since))).toISOString() };
}

/** The instant up to which every slot is dealt with. It needs no status: the runs of the slots themselves remember. */
export function scheduleCursor(
  timing: Timing | undefined,
  status: CrawlScheduleStatus | undefined,
  runs: readonly CrawlRun[],
): Date {
  const times = [timing?.since, status?.failures?.resumedAt, status?.lastScheduleTime, status?.lastSkippedTime]
    .filter((time) => time !== undefined)
    .map((time) => Date.parse(time));
  const nominal = runs.filter(isSlotRun).map((run) => nominalTime(run).getTime());
  return new Date(Math.max(0, ...times, ...nominal));
}

/**
 * The finished runs beyond the history limits, oldest first; `keep` is never among them. Runs of a backfill count for themselves: they
 * do not take the schedule's own away.
 */
export function expiredRuns(spec: CrawlScheduleSpec, runs: readonly CrawlRun[], keep: string | undefined): CrawlRun[] {
  const groups = Map.groupBy(runs.filter(isFinished), ({ metadata }) => metadata.labels?.[LABEL.backfillUid]);
  return newestFirst([...groups.values()].flatMap((group) => beyondLimits(spec, group)))
    .filter((run) => run.metadata.name !== keep)
    .reverse();
}

function beyondLimits(spec: CrawlScheduleSpec, runs: readonly CrawlRun[]): CrawlRun[] {
  const finished = newestFirst(runs);
  const gaveResults = finished.filter((run) => isConditionTrue(run.status?.conditions, 'Complete'));
  const failed = finished.filter((run) => !isConditionTrue(run.status?.conditions, 'Complete'));
  return [...gaveResults.slice(spec.successfulRunsHistoryLimit), ...failed.slice(spec.failedRunsHistoryLimit)];
}

export type Ready = {
  readonly status: 'True' | 'False';
  readonly reason: ScheduleReason;
  readonly message: string;
};

export type ScheduleObservation = {
  /** The generation of the spec that all of this was derived from. */
  readonly generation: number;
  /** Absent when the spec cannot be read. */
  readonly timing?: Timing;
  /** The schedule's runs, with those that ended and went before any status held their results. */
  readonly runs: readonly CrawlRun[];
  readonly ready: Ready;
  /** When the next runs start, soonest first. */
  readonly upcoming: readonly Date[];
  readonly skipped?: Date;
  readonly interval?: CurrentInterval;
  /** The request for a run that was met last. */
  readonly handledRequest?: string;
  /** The request to go on after failures that was met last. */
  readonly handledResume?: string;
  /** Failures in a row; absent without spec.suspendAfterFailures. */
  readonly failures?: FailuresInARow;
  /** What is asked of the schedule's successes; absent when the spec cannot be read. */
  readonly spec?: Pick<CrawlScheduleSpec, 'successDeadline' | 'suspend' | 'canary'>;
  /** The status that this was derived from: its times are kept even when somebody wipes it meanwhile. */
  readonly known?: CrawlScheduleStatus | undefined;
};

function latest(...times: (string | undefined)[]): string | undefined {
  const known = times.filter((time) => time !== undefined);
  return known.sort((a, b) => Date.parse(b) - Date.parse(a))[0];
}

type IntervalStatus = Pick<CrawlScheduleStatus, 'currentInterval' | 'adaptation'>;

function intervalInForce(status: CrawlScheduleStatus | undefined): IntervalStatus {
  return defined({ currentInterval: status?.currentInterval, adaptation: status?.adaptation });
}

function intervalStatus(interval: CurrentInterval | undefined): IntervalStatus {
  if (interval === undefined) return {};
  const { ms, run, reason } = interval;
  return {
    currentInterval: formatDuration(ms),
    ...(run !== undefined && reason !== undefined ? { adaptation: { run, reason } } : {}),
  };
}

/** The whole status; what only runs knew is kept after those runs are gone. `current` is the status that it replaces. */
export function scheduleStatus(
  current: CrawlScheduleStatus | undefined,
  seen: ScheduleObservation,
  now: Date,
): CrawlScheduleStatus {
  const { known, generation } = seen;
  const runs = newestFirst(seen.runs);
  const own = ownRuns(runs);
  const active = runs.filter((run) => !isFinished(run));
  const ends = (result: 'Success' | 'Failure') =>
    own.filter((run) => resultOf(run) === result).map((run) => run.status?.completionTime);
  const slots = runs.filter(isSlotRun).map((run) => timestamp(nominalTime(run)));
  const lastSuccessfulTime = latest(current?.lastSuccessfulTime, known?.lastSuccessfulTime, ...ends('Success'));
  return {
    observedGeneration: generation,
    conditions: conditionsOf(current, seen, lastSuccessfulTime, now),
    ...(seen.timing ? intervalStatus(seen.interval) : intervalInForce(known)),
    active: active.map((run) => run.metadata.name),
    activeCount: active.length,
    nextScheduleTimes: seen.upcoming.map(timestamp),
    ...defined({
      timing: seen.timing ?? known?.timing,
      lastHandledRunRequest: seen.handledRequest ?? current?.lastHandledRunRequest ?? known?.lastHandledRunRequest,
      lastScheduleTime: latest(current?.lastScheduleTime, known?.lastScheduleTime, ...slots),
      lastSkippedTime: latest(
        current?.lastSkippedTime,
        known?.lastSkippedTime,
        seen.skipped && timestamp(seen.skipped),
      ),
      lastSuccessfulTime,
      failures: seen.spec ? seen.failures : known?.failures,
      lastHandledResumeRequest:
        seen.handledResume ?? current?.lastHandledResumeRequest ?? known?.lastHandledResumeRequest,
      lastFailureTime: latest(current?.lastFailureTime, known?.lastFailureTime, ...ends('Failure')),
      nextScheduleTime: seen.upcoming[0] && timestamp(seen.upcoming[0]),
      canary: canaryInForce(current, seen.spec),
      lastRun: lastRun(own, current?.lastRun ?? known?.lastRun),
    }),
  };
}

/** It is worked out elsewhere, and goes with the canary. */
function canaryInForce(
  current: CrawlScheduleStatus | undefined,
  spec: ScheduleObservation['spec'],
): CrawlScheduleStatus['canary'] {
  const isOver = spec !== undefined && spec.canary?.image !== current?.canary?.image;
  return isOver ? undefined : current?.canary;
}

/** Ready always; Suspended and Late where the spec asks for them. */
function conditionsOf(
  current: CrawlScheduleStatus | undefined,
  { generation, ready, failures, spec, timing }: ScheduleObservation,
  lastSuccessfulTime: string | undefined,
  now: Date,
): Condition[] {
  const late = spec && timing && lateCondition(spec, lastSuccessfulTime, timing.since, now);
  const wanted: Partial<Record<ScheduleConditionType, Ready | undefined>> = {
    Ready: ready,
    Suspended: spec && failures && suspendedCondition(failures, spec),
    Late: late,
  };
  let conditions = [...(current?.conditions ?? [])];
  for (const [type, condition] of Object.entries(wanted)) {
    if (condition !== undefined) {
      conditions = setCondition(conditions, { type, ...condition, observedGeneration: generation }, now);
    } else if (spec !== undefined) conditions = conditions.filter((known) => known.type !== type);
  }
  return conditions;
}

function suspendedCondition(failures: FailuresInARow, { suspend }: Pick<CrawlScheduleSpec, 'suspend'>): Ready {
  if (failures.suspended !== undefined) {
    return { status: 'True', reason: 'FailedTooOften', message: suspensionMessage(failures) };
  }
  if (suspend) return { status: 'True', reason: 'Suspended', message: 'spec.suspend is true' };
  return { status: 'False', reason: 'Scheduled', message: 'runs are made' };
}

function lateCondition(
  spec: Pick<CrawlScheduleSpec, 'successDeadline' | 'suspend'>,
  lastSuccessfulTime: string | undefined,
  since: string,
  now: Date,
): Ready | undefined {
  const late = lateness(spec, lastSuccessfulTime, since, now);
  if (late === undefined) return undefined;
  if (late.isSuspended) return { status: 'False', reason: 'Suspended', message: 'spec.suspend is true' };
  const deadline = spec.successDeadline;
  if (!late.isLate)
    return { status: 'False', reason: 'SucceededInTime', message: `spec.successDeadline is ${deadline}` };
  const last = lastSuccessfulTime === undefined ? 'none has yet' : `the last one was at ${lastSuccessfulTime}`;
  return {
    status: 'True',
    reason: 'NoSuccessInTime',
    message: `no run has succeeded for longer than spec.successDeadline (${deadline}): ${last}`,
  };
}

/** The newest run, also when it is gone and older ones are not. One that went before its end was stopped by that. */
function lastRun([newest, ...others]: readonly CrawlRun[], before: LastRun | undefined): LastRun | undefined {
  const isThere = [newest, ...others].some((run) => run?.metadata.name === before?.name);
  const wasNewer =
    before?.creationTimestamp !== undefined &&
    Date.parse(before.creationTimestamp) > Date.parse(newest?.metadata.creationTimestamp ?? '');
  if (newest !== undefined && (isThere || !wasNewer)) {
    const { name, creationTimestamp } = newest.metadata;
    return {
      name,
      ...defined({ creationTimestamp, phase: phaseOf(newest), items: newest.status?.progress?.items }),
    };
  }
  if (before === undefined || isThere) return before;
  return { ...before, phase: isFinalPhase(before.phase) ? before.phase : 'Stopped' };
}

const UNFINISHED_PHASES: readonly LastRun['phase'][] = [
  undefined,
  'Pending',
  'Queued',
  'Running',
  'Paused',
  'Stopping',
];

function isFinalPhase(phase: LastRun['phase']): boolean {
  return !UNFINISHED_PHASES.includes(phase);
}
