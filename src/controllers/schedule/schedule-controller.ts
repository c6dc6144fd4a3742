// Reconciles one CrawlSchedule: makes the run that is due, keeps the history short, tells how it stands.

import { scheduledRun } from '../../custom-resources/new-runs.ts';
import { type CrawlRun, type CrawlSchedule, isFinished } from '../../custom-resources/types.ts';
import type { EventRecorder } from '../../kube/events.ts';
import { isAlreadyExists, isConflict, isInvalid } from '../../kube/kube-error.ts';
import { controllerOf, isControlledBy, parseObjectKey } from '../../kube/kube-object.ts';
import type { ResourceClient } from '../../kube/resource-client.ts';
import { updateStatus } from '../../kube/status.ts';
import type { ReconcileResult } from '../../kube/work-queue.ts';
import { type CrawlScheduleSpec, crawlScheduleSpec } from '../../resources/crawl-schedule.ts';
import { durationMs } from '../../resources/duration.ts';
import { parseCronCached } from '../../schedule/cron.ts';
import { type Due, dueSlots } from '../../schedule/due.ts';
import { draw } from '../../schedule/hashed-fields.ts';
import { intervalTimetable, type Timetable } from '../../schedule/timetable.ts';
import type { Logger } from '../../telemetry/logger.ts';
import type { RunCache, ScheduleCache } from '../caches.ts';
import { findUpstream, type TimetableSearch } from './run-after-run.ts';
import {
  type CurrentInterval,
  currentInterval,
  expiredRuns,
  newestFirst,
  nominalTime,
  type ScheduleObservation,
  scheduleCursor,
  scheduleStatus,
  type Timing,
  timingInForce,
} from './schedule-status.ts';
import type { SlotMemory } from './slot-memory.ts';

export type ScheduleControllerOptions = {
  readonly schedules: ResourceClient<CrawlSchedule>;
  readonly runs: ResourceClient<CrawlRun>;
  readonly scheduleCache: ScheduleCache;
  readonly runCache: RunCache;
  readonly events: EventRecorder;
  readonly memory: SlotMemory;
  /** Told of the seconds between a slot and its run. */
  readonly creationSkew: { observe(seconds: number): void };
  readonly now: () => Date;
  readonly logger: Logger;
};

/** How long to wait until the runs of a deleted schedule of the same name are collected. */
const COLLECTION_WAIT_MS = 2_000;

/** What became of a slot. */
type Handled = {
  /** It has its run. */
  readonly started?: true;
  /** Its name is still taken by a run that is being collected. */
  readonly waiting?: true;
};

const SHOWN_SLOTS = 5;

export function createScheduleReconciler(options: ScheduleControllerOptions) {
  const { schedules, runs, scheduleCache, runCache, events, memory, creationSkew, now, logger } = options;

  /** By schedule's UID, the latest slot that was skipped and that no status tells of yet. */
  const untoldSkips = new Map<string, Date>();
  scheduleCache.subscribe(({ type, object }) => {
    if (type === 'deleted') untoldSkips.delete(object.metadata.uid);
  });

  return async function reconcile(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    const schedule = scheduleCache.get(parseObjectKey(key));
    if (schedule === undefined || schedule.metadata.deletionTimestamp !== undefined) return {};

    const spec = crawlScheduleSpec.parse(schedule.spec);
    const timing = timingInForce(schedule, spec, now());
    const cursor = await findCursor(schedule, timing, signal);
    const interval = currentInterval(schedule, spec, ownedRuns(schedule));
    const parsed = findTimetable(schedule, spec, cursor, interval);
    if (!parsed.ok) {
      const { reason, message } = parsed.error;
      events.record(schedule, { type: 'Warning', reason, action: 'ParseSchedule', message });
      const ready = { status: 'False', reason, message } as const;
      await writeStatus(schedule, { timing, runs: ownedRuns(schedule), ready, upcoming: [] }, signal);
      return {}; // an edit brings it back
    }

    if (spec.suspend) {
      const ready = {
        status: 'True',
        reason: 'Suspended',
        message: 'spec.suspend is true: no new runs are made',
      } as const;
      await pruneHistory(schedule, spec, signal);
      await writeStatus(schedule, { timing, runs: ownedRuns(schedule), ready, upcoming: [] }, signal);
      return {};
    }

    const delayMs = jitterMs(schedule, spec);
    const due = dueSlots({
      timetable: parsed.timetable,
      cursor,
      now: new Date(now().getTime() - delayMs),
      catchUp: spec.catchUp,
      ...(spec.startingDeadlineSeconds === undefined ? {} : { startingDeadlineSeconds: spec.startingDeadlineSeconds }),
    });
    const outcome = await handleDue(schedule, spec, due, signal);
    if (outcome.waiting) return { requeueAfterMs: COLLECTION_WAIT_MS };
    const upcoming = upcomingSlots(parsed.timetable, new Date(now().getTime() - delayMs)).map(
      (slot) => new Date(slot.getTime() + delayMs),
    );
    // The run itself is the memory of a slot, and brings us back to tell of it, when other schedules have theirs too.
    if (outcome.started) return untilNext(upcoming);

    await pruneHistory(schedule, spec, signal);
    const ready = { status: 'True', reason: 'Scheduled', message: 'the schedule is in force' } as const;
    await writeStatus(
      schedule,
      {
        timing,
        runs: ownedRuns(schedule),
        ready,
        upcoming,
        ...(interval ? { interval } : {}),
      },
      signal,
    );
    return untilNext(upcoming);
  };

  function untilNext([next]: readonly Date[]): ReconcileResult {
    return next ? { requeueAfterMs: Math.max(0, next.getTime() - now().getTime()), urgent: true } : {};
  }

  function ownedRuns(schedule: CrawlSchedule): CrawlRun[] {
    return runCache.byIndex('controller', schedule.metadata.uid);
  }

  /** Slots of an interval count from the last one that was dealt with; those of `after` are ends of other runs. */
  function findTimetable(
    schedule: CrawlSchedule,
    spec: CrawlScheduleSpec,
    cursor: Date,
    adapted: CurrentInterval | undefined,
  ): TimetableSearch {
    if (spec.schedule !== undefined) return parseCronCached(spec.schedule, spec.timeZone, schedule.metadata.uid);
    if (spec.interval !== undefined)
      return { ok: true, timetable: intervalTimetable(adapted?.ms ?? durationMs(spec.interval), cursor) };
    return findUpstream(schedule, scheduleCache, ownedRuns);
  }

  async function findCursor(schedule: CrawlSchedule, timing: Timing, signal: AbortSignal): Promise<Date> {
    const { uid } = schedule.metadata;
    // Remembered before anything is forgotten: status and runs may be gone at the next look.
    memory.remember(uid, scheduleCursor(timing, schedule.status, ownedRuns(schedule)));
    return memory.cursor(uid, signal);
  }

  /** Does for the due slots what catch-up and concurrency policy say. */
  async function handleDue(
    schedule: CrawlSchedule,
    spec: CrawlScheduleSpec,
    due: Due,
    signal: AbortSignal,
  ): Promise<Handled> {
    const [first] = due.slots;
    if (due.tooLate) {
      const { slot, rule } = due.tooLate;
      const message = `${slot.toISOString()} was missed, and spec.${rule} does not let it start any more`;
      return skip(schedule, slot, 'MissSchedule', message);
    }
    if (first === undefined) return {};
    if (due.missed > 0) {
      events.record(schedule, {
        type: 'Warning',
        reason: 'MissedSchedules',
        action: 'FindDue',
        message: `missed ${due.missed} earlier times, which spec.catchUp does not make up for; going on with ${first.toISOString()}`,
      });
    }
    let handled: Handled = {};
    for (const slot of due.slots) {
      handled = await handleSlot(schedule, spec, slot, signal);
      if (handled.waiting) return handled;
    }
    return handled;
  }

  async function handleSlot(
    schedule: CrawlSchedule,
    spec: CrawlScheduleSpec,
    slot: Date,
    signal: AbortSignal,
  ): Promise<Handled> {
    const inTheWay = ownedRuns(schedule).filter((run) => wasActiveAt(run, slot));
    if (spec.concurrencyPolicy === 'Forbid' && inTheWay[0]) {
      const message = `${inTheWay[0].metadata.name} was still active at ${slot.toISOString()} and spec.concurrencyPolicy is Forbid`;
      return skip(schedule, slot, 'JobAlreadyActive', message);
    }
    if (spec.concurrencyPolicy === 'Queue') {
      const unfinished = ownedRuns(schedule).filter((run) => !isFinished(run)).length;
      if (unfinished > spec.maxQueuedRuns) {
        const message = `${spec.maxQueuedRuns} runs wait already (spec.maxQueuedRuns); none is made for ${slot.toISOString()}`;
        return skip(schedule, slot, 'QueueFull', message);
      }
    }
    if (spec.concurrencyPolicy === 'Replace') {
      for (const run of inTheWay.filter((run) => !isFinished(run))) await stopRun(schedule, run, signal);
    }
    return startRun(schedule, spec, slot, signal);
  }

  /** Whether the run stood in the slot's way, even if it has ended since: under Forbid a slot never starts late. */
  function wasActiveAt(run: CrawlRun, slot: Date): boolean {
    if (nominalTime(run) >= slot) return false;
    if (!isFinished(run)) return true;
    const completed = run.status?.completionTime;
    return completed !== undefined && new Date(completed) > slot;
  }

  function skip(schedule: CrawlSchedule, slot: Date, reason: string, message: string): Handled {
    memory.remember(schedule.metadata.uid, slot);
    untoldSkips.set(schedule.metadata.uid, slot);
    events.record(schedule, { type: 'Warning', reason, action: 'SkipSlot', message });
    logger.warn(
      { schedule: schedule.metadata.name, namespace: schedule.metadata.namespace, slot, reason },
      'slot skipped',
    );
    return {};
  }

  async function startRun(
    schedule: CrawlSchedule,
    spec: CrawlScheduleSpec,
    slot: Date,
    signal: AbortSignal,
  ): Promise<Handled> {
    const run = scheduledRun(schedule, spec, slot);
    try {
      const created = await runs.create(run, { signal });
      creationSkew.observe((now().getTime() - slot.getTime() - jitterMs(schedule, spec)) / 1_000);
      runCache.observe(created);
      memory.remember(schedule.metadata.uid, slot);
      events.record(schedule, {
        type: 'Normal',
        reason: 'SuccessfulCreate',
        action: 'CreateRun',
        message: `created run ${created.metadata.name} for ${slot.toISOString()}`,
      });
      return { started: true };
    } catch (error) {
      if (isAlreadyExists(error)) return adoptOrSkip(schedule, run.metadata.name, slot, signal);
      const message = `could not create run ${run.metadata.name}: ${error instanceof Error ? error.message : error}`;
      if (isInvalid(error)) return skip(schedule, slot, 'FailedCreate', message);
      events.record(schedule, { type: 'Warning', reason: 'FailedCreate', action: 'CreateRun', message });
      throw error;
    }
  }

  /** The name is taken: by our own earlier attempt, by a deleted schedule's run, or by something that is not ours. */
  async function adoptOrSkip(schedule: CrawlSchedule, name: string, slot: Date, signal: AbortSignal): Promise<Handled> {
    const existing = await runs.get({ namespace: schedule.metadata.namespace, name }, { signal });
    if (existing === undefined) return { waiting: true };
    if (isControlledBy(existing, schedule)) {
      runCache.observe(existing);
      memory.remember(schedule.metadata.uid, slot);
      return {};
    }
    const controller = controllerOf(existing);
    if (controller?.kind === schedule.kind && controller.name === schedule.metadata.name) return { waiting: true };
    return skip(schedule, slot, 'UnexpectedRun', `a CrawlRun named ${name} that is not of this schedule is in the way`);
  }

  async function stopRun(schedule: CrawlSchedule, run: CrawlRun, signal: AbortSignal): Promise<void> {
    if (run.spec.shutdown !== undefined) return;
    const body = {
      metadata: { uid: run.metadata.uid, resourceVersion: run.metadata.resourceVersion },
      spec: { shutdown: 'Stop' },
    };
    runCache.observe(await runs.patch(run.metadata, { type: 'merge', body }, { signal }));
    events.record(schedule, {
      type: 'Normal',
      reason: 'Replaced',
      action: 'StopRun',
      message: `stopping run ${run.metadata.name} because spec.concurrencyPolicy is Replace`,
    });
  }

  async function pruneHistory(schedule: CrawlSchedule, spec: CrawlScheduleSpec, signal: AbortSignal): Promise<void> {
    const owned = ownedRuns(schedule);
    const newest = newestFirst(owned)[0];
    const { lastScheduleTime } = schedule.status ?? {};
    // The newest run remembers how far the schedule has come until the status does.
    const isRemembered = newest && lastScheduleTime !== undefined && new Date(lastScheduleTime) >= nominalTime(newest);
    const keep = isRemembered ? undefined : newest?.metadata.name;
    for (const run of expiredRuns(spec, owned, keep)) {
      const { uid } = run.metadata;
      try {
        await runs.delete(run.metadata, { preconditions: { uid }, propagationPolicy: 'Background', signal });
      } catch (error) {
        if (!isConflict(error)) throw error; // another object has the name now
      }
    }
  }

  async function writeStatus(schedule: CrawlSchedule, seen: ScheduleObservation, signal: AbortSignal): Promise<void> {
    const { uid } = schedule.metadata;
    const skipped = untoldSkips.get(uid);
    const derived = { ...seen, ...(skipped ? { skipped } : {}), known: schedule.status };
    const written = await updateStatus(schedules, schedule, (current) => scheduleStatus(current, derived, now()), {
      signal,
    });
    if (skipped === untoldSkips.get(uid)) untoldSkips.delete(uid);
    if (written) scheduleCache.observe(written);
  }
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
