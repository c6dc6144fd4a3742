// Reconciles one CrawlSchedule: makes the run that is due, keeps the history short, tells how it stands.
import type { CrawlRun, CrawlSchedule } from '../kube/custom-types.ts';
import type { EventRecorder } from '../kube/events.ts';
import { isAlreadyExists, isConflict, isInvalid } from '../kube/kube-error.ts';
import {
  controllerOf,
  controllerReference,
  isControlledBy,
  type NewObject,
  parseObjectKey,
} from '../kube/kube-object.ts';
import type { ResourceClient } from '../kube/resource-client.ts';
import { updateStatus } from '../kube/status.ts';
import type { ReconcileResult } from '../kube/work-queue.ts';
import { type CrawlScheduleSpec, crawlScheduleSpec } from '../resources/crawl-schedule.ts';
import { LABEL } from '../resources/group.ts';
import { runName } from '../resources/names.ts';
import { type CronSchedule, parseCronCached } from '../schedule/cron.ts';
import { type Due, dueSlot } from '../schedule/due.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { RunCache, ScheduleCache } from './caches.ts';
import {
  expiredRuns,
  isFinished,
  newestFirst,
  nominalTime,
  type ScheduleObservation,
  scheduleCursor,
  scheduleStatus,
  type Timing,
  timingInForce,
} from './schedule-status.ts';

export type ScheduleControllerOptions = {
  readonly schedules: ResourceClient<CrawlSchedule>;
  readonly runs: ResourceClient<CrawlRun>;
  readonly scheduleCache: ScheduleCache;
  readonly runCache: RunCache;
  readonly events: EventRecorder;
  /** The newest slot that Postgres remembers for a schedule's UID; undefined when it knows none or does not answer. */
  readonly rememberedSlot: (scheduleUid: string, signal: AbortSignal) => Promise<Date | undefined>;
  readonly now: () => Date;
  readonly logger: Logger;
};

/** How long to wait until the runs of a deleted schedule of the same name are collected. */
const COLLECTION_WAIT_MS = 2_000;

type SlotOutcome = { readonly type: 'started' | 'waiting' } | { readonly type: 'skipped'; readonly slot: Date };

export function createScheduleReconciler(options: ScheduleControllerOptions) {
  const { schedules, runs, scheduleCache, runCache, events, rememberedSlot, now, logger } = options;

  return async function reconcile(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    const schedule = scheduleCache.get(parseObjectKey(key));
    if (schedule === undefined || schedule.metadata.deletionTimestamp !== undefined) return {};

    const spec = crawlScheduleSpec.parse(schedule.spec);
    const timing = timingInForce(schedule, spec, now());
    const parsed = parseCronCached(spec.schedule, spec.timeZone);
    if (!parsed.ok) {
      const { reason, message } = parsed.error;
      events.record(schedule, { type: 'Warning', reason, action: 'ParseSchedule', message });
      await writeStatus(
        schedule,
        { timing, runs: ownedRuns(schedule), ready: { status: 'False', reason, message } },
        signal,
      );
      return {}; // an edit brings it back
    }

    if (spec.suspend) {
      const ready = {
        status: 'True',
        reason: 'Suspended',
        message: 'spec.suspend is true: no new runs are made',
      } as const;
      await pruneHistory(schedule, spec, signal);
      await writeStatus(schedule, { timing, runs: ownedRuns(schedule), ready }, signal);
      return {};
    }

    const due = await findDue(schedule, spec, parsed.schedule, timing, signal);
    const outcome = await handleSlot(schedule, spec, due, signal);
    if (outcome?.type === 'waiting') return { requeueAfterMs: COLLECTION_WAIT_MS };

    await pruneHistory(schedule, spec, signal);
    const next = parsed.schedule.next(now());
    await writeStatus(
      schedule,
      {
        timing,
        runs: ownedRuns(schedule),
        ready: { status: 'True', reason: 'Scheduled', message: 'the schedule is in force' },
        ...(next ? { next } : {}),
        ...(outcome?.type === 'skipped' ? { skipped: outcome.slot } : {}),
      },
      signal,
    );
    return next ? { requeueAfterMs: Math.max(0, next.getTime() - now().getTime()) } : {};
  };

  function ownedRuns(schedule: CrawlSchedule): CrawlRun[] {
    return runCache.byIndex('controller', schedule.metadata.uid);
  }

  async function findDue(
    schedule: CrawlSchedule,
    spec: CrawlScheduleSpec,
    cron: CronSchedule,
    timing: Timing,
    signal: AbortSignal,
  ): Promise<Due> {
    const owned = ownedRuns(schedule);
    const cursor = scheduleCursor(timing, schedule.status, owned);
    const deadline =
      spec.startingDeadlineSeconds === undefined ? {} : { startingDeadlineSeconds: spec.startingDeadlineSeconds };
    const due = dueSlot({ schedule: cron, cursor, now: now(), ...deadline });
    if (due.slot === undefined || owned.length > 0 || schedule.status?.lastScheduleTime !== undefined) return due;
    // No run and no status: either the first slot ever, or both were lost. Postgres may know better.
    const remembered = await rememberedSlot(schedule.metadata.uid, signal);
    if (remembered === undefined || remembered <= cursor) return due;
    return dueSlot({ schedule: cron, cursor: remembered, now: now(), ...deadline });
  }

  /** Does for the due slot what the concurrency policy says; undefined when nothing is due. */
  async function handleSlot(
    schedule: CrawlSchedule,
    spec: CrawlScheduleSpec,
    due: Due,
    signal: AbortSignal,
  ): Promise<SlotOutcome | undefined> {
    if (due.tooLate !== undefined) {
      return skip(
        schedule,
        due.tooLate,
        'MissSchedule',
        `missed ${due.tooLate.toISOString()} by more than spec.startingDeadlineSeconds`,
      );
    }
    if (due.slot === undefined) return undefined;
    if (due.missed > 0) {
      events.record(schedule, {
        type: 'Warning',
        reason: 'MissedSchedules',
        action: 'FindDue',
        message: `missed ${due.missed} earlier times; starting only the latest, ${due.slot.toISOString()}`,
      });
    }
    const inTheWay = ownedRuns(schedule).filter((run) => wasActiveAt(run, due.slot ?? now()));
    const active = inTheWay.filter((run) => !isFinished(run));
    if (spec.concurrencyPolicy === 'Forbid' && inTheWay[0]) {
      const message = `${inTheWay[0].metadata.name} was still active at ${due.slot.toISOString()} and spec.concurrencyPolicy is Forbid`;
      return skip(schedule, due.slot, 'JobAlreadyActive', message);
    }
    if (spec.concurrencyPolicy === 'Replace') {
      for (const run of active) await stopRun(schedule, run, signal);
    }
    return startRun(schedule, spec, due.slot, signal);
  }

  /** Whether the run stood in the slot's way, even if it has ended since: under Forbid a slot never starts late. */
  function wasActiveAt(run: CrawlRun, slot: Date): boolean {
    if (nominalTime(run) >= slot) return false;
    if (!isFinished(run)) return true;
    const completed = run.status?.completionTime;
    return completed !== undefined && new Date(completed) > slot;
  }

  function skip(schedule: CrawlSchedule, slot: Date, reason: string, message: string): SlotOutcome {
    events.record(schedule, { type: 'Warning', reason, action: 'SkipSlot', message });
    logger.warn(
      { schedule: schedule.metadata.name, namespace: schedule.metadata.namespace, slot, reason },
      'slot skipped',
    );
    return { type: 'skipped', slot };
  }

  async function startRun(
    schedule: CrawlSchedule,
    spec: CrawlScheduleSpec,
    slot: Date,
    signal: AbortSignal,
  ): Promise<SlotOutcome> {
    const run = runForSlot(schedule, spec, slot);
    try {
      const created = await runs.create(run, { signal });
      runCache.observe(created);
      events.record(schedule, {
        type: 'Normal',
        reason: 'SuccessfulCreate',
        action: 'CreateRun',
        message: `created run ${created.metadata.name} for ${slot.toISOString()}`,
      });
      return { type: 'started' };
    } catch (error) {
      if (isAlreadyExists(error)) return adoptOrSkip(schedule, run.metadata.name, slot, signal);
      const message = `could not create run ${run.metadata.name}: ${error instanceof Error ? error.message : error}`;
      if (isInvalid(error)) return skip(schedule, slot, 'FailedCreate', message);
      events.record(schedule, { type: 'Warning', reason: 'FailedCreate', action: 'CreateRun', message });
      throw error;
    }
  }

  /** The name is taken: by our own earlier attempt, by a deleted schedule's run, or by something that is not ours. */
  async function adoptOrSkip(
    schedule: CrawlSchedule,
    name: string,
    slot: Date,
    signal: AbortSignal,
  ): Promise<SlotOutcome> {
    const existing = await runs.get({ namespace: schedule.metadata.namespace ?? 'default', name }, { signal });
    if (existing === undefined) return { type: 'waiting' };
    if (isControlledBy(existing, schedule)) {
      runCache.observe(existing);
      return { type: 'started' };
    }
    const controller = controllerOf(existing);
    if (controller?.kind === schedule.kind && controller.name === schedule.metadata.name) return { type: 'waiting' };
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
    const written = await updateStatus(schedules, schedule, (current) => scheduleStatus(current, seen, now()), {
      signal,
    });
    if (written) scheduleCache.observe(written);
  }
}

/** The CrawlRun of a slot; its name makes sure that there is never a second one. */
export function runForSlot(schedule: CrawlSchedule, spec: CrawlScheduleSpec, slot: Date): NewObject<CrawlRun> {
  const { name, namespace, uid } = schedule.metadata;
  const template = spec.runTemplate;
  return {
    metadata: {
      name: runName(name, slot),
      namespace: namespace ?? 'default',
      labels: { ...template.metadata.labels, [LABEL.schedule]: name, [LABEL.scheduleUid]: uid },
      annotations: template.metadata.annotations,
      ownerReferences: [controllerReference(schedule)],
    },
    spec: {
      ...template.spec,
      scheduleName: name,
      trigger: { type: 'Schedule', scheduledTime: `${slot.toISOString().slice(0, 19)}Z` },
    },
  };
}
