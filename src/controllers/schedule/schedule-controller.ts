// Reconciles one CrawlSchedule: makes the runs that are due or requested, writes its status, keeps the history short.
import { requestedRun, slotRun } from '../../custom-resources/new-runs.ts';
import { type CrawlRun, type CrawlSchedule, isFinished, isSlotRun } from '../../custom-resources/types.ts';
import { type Backoff, backoffMs } from '../../kube/backoff.ts';
import { findCondition, isConditionTrue } from '../../kube/conditions.ts';
import type { EventRecorder } from '../../kube/events.ts';
import { parseObjectKey } from '../../kube/kube-object.ts';
import type { ResourceClient } from '../../kube/resource-client.ts';
import { updateStatus } from '../../kube/status.ts';
import type { ReconcileResult } from '../../kube/work-queue.ts';
import { clampToSchema } from '../../resources/clamp.ts';
import { type CrawlScheduleSpec, crawlScheduleSpec, crawlScheduleStatus } from '../../resources/crawl-schedule.ts';
import { durationMs } from '../../resources/duration.ts';
import { ANNOTATION } from '../../resources/group.ts';
import { type QueueCaps, queueOfSpec, unknownQueue } from '../../resources/queues.ts';
import { parseCronCached } from '../../schedule/cron.ts';
import { type Due, dueSlots } from '../../schedule/due.ts';
import { draw } from '../../schedule/hashed-fields.ts';
import { intervalTimetable, type Timetable } from '../../schedule/timetable.ts';
import type { Logger } from '../../telemetry/logger.ts';
import { type RunCache, retriesOf, type ScheduleCache } from '../caches.ts';
import { isAwaitedByRetry } from '../run/automatic-retry.ts';
import { withCanary } from './canary.ts';
import { type CurrentInterval, currentInterval } from './current-interval.ts';
import { type FailuresInARow, failuresInARow, isResumeRequested, suspensionMessage } from './failures-in-a-row.ts';
import { lateness } from './lateness.ts';
import { findUpstream, type TimetableSearch } from './run-after-run.ts';
import { newestFirst, nominalTime } from './run-order.ts';
import { openRequest, resumeRequestIn } from './run-request.ts';
import { isResultReported } from './run-result.ts';
import { scheduleOf } from './schedule-of.ts';
import {
  expiredRuns,
  type Ready,
  type ScheduleObservation,
  scheduleCursor,
  scheduleStatus,
  type Timing,
  timingInForce,
} from './schedule-status.ts';
import { decideSlot, isCatchUp, startOfSlot } from './slot-decision.ts';
import type { SlotMemory } from './slot-memory.ts';
import { type Creation, createSlotRuns } from './slot-runs.ts';
import { specInForce, suspensionEnd, suspensionReason } from './suspension.ts';
import { createUnreported } from './unreported.ts';

export type ScheduleControllerOptions = {
  readonly schedules: ResourceClient<CrawlSchedule>;
  readonly runs: ResourceClient<CrawlRun>;
  readonly scheduleCache: ScheduleCache;
  readonly runCache: RunCache;
  readonly events: EventRecorder;
  readonly memory: SlotMemory;
  /** The queues that runs may be of. */
  readonly queues: QueueCaps;
  /** Observes the seconds between a slot and its run. */
  readonly creationSkew: { observe(seconds: number): void };
  /** Called when a slot has its run: that run's Job is due now. */
  readonly onRunMade: (run: CrawlRun) => void;
  readonly now: () => Date;
  readonly logger: Logger;
};

/** What one reconcile works with. */
type Look = {
  readonly schedule: CrawlSchedule;
  readonly spec: CrawlScheduleSpec;
  readonly timing: Timing;
  readonly cursor: Date;
  readonly interval: CurrentInterval | undefined;
  readonly failures: FailuresInARow | undefined;
  /** How much later than its slots the schedule starts. */
  readonly jitterMs: number;
};

/** What became of a slot. */
type Outcome = 'Started' | 'Passed' | 'NameNotFree' | 'Refused';

/** How long to wait until the runs of a deleted schedule of the same name are collected. */
const COLLECTION_WAIT_MS = 2_000;
/** A run that the API server does not take now, such as for a quota. The next slot comes first, where it is sooner. */
const REFUSED_RETRY: Backoff = { baseMs: 1_000, maxMs: 30_000 };
const SHOWN_SLOTS = 5;

export function createScheduleReconciler(options: ScheduleControllerOptions) {
  const { schedules, runs, scheduleCache, runCache, events, memory, queues, creationSkew, onRunMade, now, logger } =
    options;
  const slotRuns = createSlotRuns({ runs, runCache });
  const unreported = createUnreported({ scheduleCache, runCache });

  scheduleCache.subscribe(({ type, object }) => {
    if (type === 'deleted') memory.forget(object.metadata.uid);
  });
  runCache.subscribe((change) => {
    if (change.type === 'updated' && isFinished(change.object) && !isFinished(change.previous))
      announceEnd(change.object);
  });

  return async function reconcile(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    const schedule = scheduleCache.get(parseObjectKey(key));
    if (schedule === undefined || schedule.metadata.deletionTimestamp !== undefined) return {};
    const spec = crawlScheduleSpec.safeParse(schedule.spec);
    if (!spec.success) {
      const [issue] = spec.error.issues;
      return refuse(schedule, undefined, 'InvalidSpec', `spec.${issue?.path.join('.')}: ${issue?.message}`, signal);
    }

    const look = await lookAt(schedule, specInForce(spec.data, now()), signal);
    const queue = queueOfSpec(schedule.spec.runTemplate.spec);
    const noQueue = unknownQueue(queue, queues, 'spec.runTemplate.spec.queue');
    if (noQueue) return refuse(schedule, look, 'UnknownQueue', noQueue, signal);
    await handleRequest(look, signal);
    const timetable = findTimetable(look);
    if (!timetable.ok) return refuse(schedule, look, timetable.error.reason, timetable.error.message, signal);
    if (look.spec.suspend || look.failures?.suspended) return suspend(look, timetable.timetable, signal);

    const outcome = await handleDue(look, timetable.timetable, signal);
    const upcoming = upcomingStarts(look, timetable.timetable);
    const [next] = upcoming;
    const untilNextMs = next && Math.max(0, next.getTime() - now().getTime());
    const lateInMs = untilLate(look);
    const isLateFirst = lateInMs !== undefined && (untilNextMs === undefined || lateInMs < untilNextMs);
    const atNext: ReconcileResult = isLateFirst
      ? { requeueAfterMs: lateInMs }
      : untilNextMs === undefined
        ? {}
        : { requeueAfterMs: untilNextMs, urgent: true };
    // The run itself remembers its slot. Its event brings the status up to date when other schedules have their runs too.
    if (outcome === 'Started' && !unreported.hasNews(schedule)) return atNext;

    await writeStatus(look, readiness(schedule), upcoming, signal);
    const retryMs = retryAfter(schedule, outcome);
    return retryMs === undefined || (untilNextMs !== undefined && untilNextMs < retryMs)
      ? atNext
      : { requeueAfterMs: retryMs };
  };

  async function lookAt(schedule: CrawlSchedule, spec: CrawlScheduleSpec, signal: AbortSignal): Promise<Look> {
    const timing = timingInForce(schedule, spec, now());
    const { uid } = schedule.metadata;
    const failures = failuresInARow(schedule, spec, knownRuns(schedule), now());
    // Remembered before anything is forgotten: status and runs may be gone at the next look.
    memory.remember(uid, scheduleCursor(timing, { ...schedule.status, failures }, ownedRuns(schedule)));
    const cursor = await memory.cursor(uid, signal);
    const interval = currentInterval(schedule, spec, knownRuns(schedule));
    return { schedule, spec, timing, cursor, interval, failures, jitterMs: jitterMs(schedule, spec) };
  }

  /** Slots of an interval count from the last one that was dealt with; those of `after` are ends of other runs. */
  function findTimetable({ schedule, spec, cursor, interval }: Look): TimetableSearch {
    if (spec.schedule !== undefined) return parseCronCached(spec.schedule, spec.timeZone, schedule.metadata.uid);
    if (spec.interval !== undefined)
      return { ok: true, timetable: intervalTimetable(interval?.ms ?? durationMs(spec.interval), cursor) };
    return findUpstream(schedule, scheduleCache, ownedRuns);
  }

  /** The schedule makes no runs until it is edited, and says why. */
  async function refuse(
    schedule: CrawlSchedule,
    look: Look | undefined,
    reason: Ready['reason'],
    message: string,
    signal: AbortSignal,
  ): Promise<ReconcileResult> {
    events.record(schedule, { type: 'Warning', reason, action: 'ReadSchedule', message });
    await writeStatus(look ?? { schedule }, { status: 'False', reason, message }, [], signal);
    return {};
  }

  async function suspend(look: Look, timetable: Timetable, signal: AbortSignal): Promise<ReconcileResult> {
    const end = look.failures?.suspended ? undefined : suspensionEnd(look.spec);
    const upcoming = end === undefined ? [] : upcomingAfter(look, timetable, end);
    await writeStatus(look, suspension(look), upcoming, signal);
    const lateInMs = untilLate(look);
    if (end === undefined) return lateInMs === undefined ? {} : { requeueAfterMs: lateInMs };
    return { requeueAfterMs: Math.max(0, end.getTime() - now().getTime()), urgent: true };
  }

  /** The first runs after a suspension: an interval counts from its end, and what comes after another has no times. */
  function upcomingAfter({ spec, interval, jitterMs }: Look, timetable: Timetable, end: Date): Date[] {
    if (spec.after !== undefined) return [];
    const fromEnd =
      spec.interval === undefined ? timetable : intervalTimetable(interval?.ms ?? durationMs(spec.interval), end);
    return upcomingSlots(fromEnd, end).map((slot) => new Date(slot.getTime() + jitterMs));
  }

  /** In milliseconds, until nobody has to wait for a success any longer; undefined when it is late or cannot be. */
  function untilLate({ schedule, spec, timing }: Look): number | undefined {
    const late = lateness(spec, schedule.status?.lastSuccessfulTime, timing.since, now());
    if (late === undefined || late.isSuspended || late.isLate) return undefined;
    return Math.max(0, late.at.getTime() - now().getTime());
  }

  /** Makes the run that the schedule's annotation requests, beside its slots. A refused request is not retried. */
  async function handleRequest({ schedule, spec }: Look, signal: AbortSignal): Promise<void> {
    const request = openRequest(schedule);
    if (request === undefined || unreported.request(schedule) === request) return;
    const creation = await slotRuns.make(schedule, requestedRun(schedule, spec, request), signal);
    if (creation.type === 'NameNotFree') return; // it was deleted in the meantime: the next look makes it
    unreported.noteRequest(schedule, request);
    if (creation.type === 'Made') announceMade(schedule, creation.run, `as ${ANNOTATION.runRequested} asks`);
    else if (creation.type === 'NameTaken') warn(schedule, 'UnexpectedRun', creation.message);
    else if (creation.type === 'Refused') warn(schedule, 'FailedCreate', creation.message);
  }

  /** Does for the due slots what catch-up and concurrency policy say. */
  async function handleDue(look: Look, timetable: Timetable, signal: AbortSignal): Promise<Outcome> {
    const { catchUp, startingDeadlineSeconds } = look.spec;
    const due = dueSlots({
      timetable,
      cursor: look.cursor,
      now: new Date(now().getTime() - look.jitterMs),
      catchUp,
      ...(startingDeadlineSeconds === undefined ? {} : { startingDeadlineSeconds }),
    });
    announceMissed(look.schedule, due);
    if (due.tooLate) {
      const { slot, rule } = due.tooLate;
      const message = `${slot.toISOString()} was missed, and spec.${rule} does not let it start any more`;
      return skip(look.schedule, slot, 'MissSchedule', message);
    }
    let outcome: Outcome = 'Passed';
    for (const slot of due.slots) {
      outcome = await handleSlot(look, slot, signal);
      if (outcome === 'NameNotFree' || outcome === 'Refused') break; // it is still due
    }
    return outcome;
  }

  async function handleSlot(look: Look, slot: Date, signal: AbortSignal): Promise<Outcome> {
    const { schedule, spec } = look;
    const decision = decideSlot(ownedRuns(schedule), slot, startOfSlot(slot, look.jitterMs, now()), spec);
    if (decision.type === 'Skip') return skip(schedule, slot, decision.reason, decision.message);
    for (const run of decision.stop) await replace(schedule, run, signal);
    return start(look, slot, signal);
  }

  async function start(look: Look, slot: Date, signal: AbortSignal): Promise<Outcome> {
    const { schedule, spec, jitterMs } = look;
    const type = isCatchUp(slot, jitterMs, now()) ? 'CatchUp' : 'Schedule';
    const creation = await slotRuns.make(
      schedule,
      withCanary(slotRun(schedule, spec, slot, type), spec.canary),
      signal,
    );
    return afterCreation(look, slot, creation);
  }

  function afterCreation({ schedule, jitterMs }: Look, slot: Date, creation: Creation): Outcome {
    switch (creation.type) {
      case 'Made':
        creationSkew.observe((now().getTime() - slot.getTime() - jitterMs) / 1_000);
        onRunMade(creation.run);
        announceMade(schedule, creation.run, `for ${slot.toISOString()}`);
        return accepted(schedule, slot, 'Started');
      case 'Found':
        onRunMade(creation.run);
        return accepted(schedule, slot, 'Passed');
      case 'NameNotFree':
        return 'NameNotFree';
      case 'NameTaken':
        return skip(schedule, slot, 'UnexpectedRun', creation.message);
      case 'Refused':
        unreported.noteRefusal(schedule, creation.message);
        if (creation.isFinal) return skip(schedule, slot, 'FailedCreate', creation.message);
        warn(schedule, 'FailedCreate', creation.message);
        return 'Refused';
    }
  }

  function accepted(schedule: CrawlSchedule, slot: Date, outcome: Outcome): Outcome {
    memory.remember(schedule.metadata.uid, slot);
    unreported.forgetRefusal(schedule);
    return outcome;
  }

  function skip(schedule: CrawlSchedule, slot: Date, reason: string, message: string): Outcome {
    const { name, namespace, uid } = schedule.metadata;
    memory.remember(uid, slot);
    unreported.noteSkip(schedule, slot);
    events.record(schedule, { type: 'Warning', reason, action: 'SkipSlot', message });
    logger.warn({ schedule: name, namespace, slot, reason }, 'slot skipped');
    return 'Passed';
  }

  async function replace(schedule: CrawlSchedule, run: CrawlRun, signal: AbortSignal): Promise<void> {
    if (!(await slotRuns.stop(run, signal))) return;
    const message = `stopping run ${run.metadata.name} because spec.concurrencyPolicy is Replace`;
    events.record(schedule, { type: 'Normal', reason: 'Replaced', action: 'StopRun', message });
  }

  /** Ready, unless the API server did not take the last run, for the spec as it is now. */
  function readiness(schedule: CrawlSchedule): Ready {
    const refusal = unreported.refusal(schedule);
    if (refusal !== undefined) return { status: 'False', reason: 'RunRefused', message: refusal.message };
    return { status: 'True', reason: 'Scheduled', message: 'the schedule is in force' };
  }

  function retryAfter(schedule: CrawlSchedule, outcome: Outcome): number | undefined {
    if (outcome === 'NameNotFree') return COLLECTION_WAIT_MS;
    return outcome === 'Refused' ? backoffMs(unreported.refusal(schedule)?.count ?? 1, REFUSED_RETRY) : undefined;
  }

  /** Writes the status, forgets what it holds from then on, and deletes the runs beyond the history. */
  async function writeStatus(
    look: Pick<Look, 'schedule'> & Partial<Look>,
    ready: Ready,
    upcoming: readonly Date[],
    signal: AbortSignal,
  ): Promise<void> {
    const { schedule, timing, interval, spec } = look;
    const news = unreported.take(schedule);
    const { failures } = look;
    const resumed = isResumeRequested(schedule) ? resumeRequestIn(schedule) : undefined;
    const seen: ScheduleObservation = {
      generation: schedule.metadata.generation ?? 0,
      runs: knownRuns(schedule),
      ready,
      upcoming,
      known: schedule.status,
      ...(timing ? { timing } : {}),
      ...(interval ? { interval } : {}),
      ...(spec ? { spec } : {}),
      ...(failures ? { failures } : {}),
      ...(spec && resumed ? { handledResume: resumed } : {}),
      ...news.reported,
    };
    const compute = ({ status }: CrawlSchedule) =>
      clampToSchema(crawlScheduleStatus, scheduleStatus(status, seen, now()));
    const written = await updateStatus(schedules, schedule, compute, { signal });
    news.wasWritten();
    if (written === undefined) return;
    announceTroubles(schedule, written);
    scheduleCache.observe(written);
    if (spec) await pruneHistory(written, spec, signal);
  }

  /** A run is deleted when the schedule's status holds its result, and the newest of a slot when it holds its time. */
  async function pruneHistory(schedule: CrawlSchedule, spec: CrawlScheduleSpec, signal: AbortSignal): Promise<void> {
    const { status } = schedule;
    const owned = ownedRuns(schedule);
    const cursor = new Date(status?.lastScheduleTime ?? 0);
    const keep = newestFirst(owned).find((run) => isSlotRun(run) && nominalTime(run) > cursor)?.metadata.name;
    for (const run of expiredRuns(spec, owned, keep)) {
      if (isAwaitedByRetry(run, retriesOf(runCache, run), now())) continue;
      if (isResultReported(status, run)) await slotRuns.remove(run, signal);
    }
  }

  function ownedRuns(schedule: CrawlSchedule): CrawlRun[] {
    return runCache.byIndex('controller', schedule.metadata.uid);
  }

  /** With those that were deleted before a status held their results. */
  function knownRuns(schedule: CrawlSchedule): CrawlRun[] {
    return [...ownedRuns(schedule), ...unreported.goneRuns(schedule)];
  }

  function upcomingStarts({ jitterMs }: Look, timetable: Timetable): Date[] {
    return upcomingSlots(timetable, new Date(now().getTime() - jitterMs)).map(
      (slot) => new Date(slot.getTime() + jitterMs),
    );
  }

  function announceMade(schedule: CrawlSchedule, run: CrawlRun, why: string): void {
    const message = `created run ${run.metadata.name} ${why}`;
    events.record(schedule, { type: 'Normal', reason: 'SuccessfulCreate', action: 'CreateRun', message });
  }

  function announceMissed(schedule: CrawlSchedule, { missed, slots }: Due): void {
    if (missed === 0 || slots.length === 0) return;
    const message = `missed ${missed} earlier times, which spec.catchUp does not make up for`;
    events.record(schedule, { type: 'Warning', reason: 'MissedSchedules', action: 'FindDue', message });
  }

  /** On the schedule, for those who look at that alone. */
  function announceEnd(run: CrawlRun): void {
    const schedule = scheduleOf(run, scheduleCache);
    const { phase, message = '' } = run.status ?? {};
    if (schedule === undefined || phase === undefined) return;
    const type = phase === 'Succeeded' || phase === 'Stopped' ? 'Normal' : 'Warning';
    const note = `run ${run.metadata.name} ended: ${message}`;
    events.record(schedule, { type, reason: `Run${phase}`, action: 'FinishRun', message: note });
  }

  /** Once for each suspension for failures and each lateness. */
  function announceTroubles(before: CrawlSchedule, { status }: CrawlSchedule): void {
    for (const type of ['Suspended', 'Late']) {
      const condition = findCondition(status?.conditions, type);
      if (condition?.status !== 'True' || condition.reason === 'Suspended') continue;
      if (isConditionTrue(before.status?.conditions, type)) continue;
      const { reason, message } = condition;
      events.record(before, { type: 'Warning', reason, action: 'CheckSuccess', message });
    }
  }

  function warn(schedule: CrawlSchedule, reason: string, message: string): void {
    events.record(schedule, { type: 'Warning', reason, action: 'CreateRun', message });
  }
}

function suspension({ spec, failures }: Pick<Look, 'spec' | 'failures'>): Ready {
  if (failures?.suspended) return { status: 'False', reason: 'FailedTooOften', message: suspensionMessage(failures) };
  return { status: 'True', reason: 'Suspended', message: suspensionReason(spec) };
}

/** How much later than its slots this schedule starts: drawn once, so that the time between two runs stays as written. */
function jitterMs(schedule: CrawlSchedule, spec: CrawlScheduleSpec): number {
  if (spec.jitterSeconds === 0) return 0;
  return (draw(`${schedule.metadata.uid}/jitter`) % (spec.jitterSeconds + 1)) * 1_000;
}

function upcomingSlots(timetable: Timetable, after: Date): Date[] {
  const slots: Date[] = [];
  for (
    let slot = timetable.next(after);
    slot !== undefined && slots.length < SHOWN_SLOTS;
    slot = timetable.next(slot)
  ) {
    slots.push(slot);
  }
  return slots;
}
