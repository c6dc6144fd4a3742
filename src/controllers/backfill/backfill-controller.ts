// Reconciles one CrawlBackfill: shows its plan, and once that is approved makes its runs, a few at a time.
import { backfillRun } from '../../custom-resources/new-runs.ts';
import type { CrawlBackfill, CrawlRun, CrawlSchedule } from '../../custom-resources/types.ts';
import { StoreError } from '../../gateway/protocol/store-error.ts';
import type { EventRecorder } from '../../kube/events.ts';
import { objectKey, parseObjectKey } from '../../kube/kube-object.ts';
import type { ResourceClient } from '../../kube/resource-client.ts';
import { updateStatus } from '../../kube/status.ts';
import type { ReconcileResult } from '../../kube/work-queue.ts';
import { clampToSchema } from '../../resources/clamp.ts';
import {
  type CrawlBackfillSpec,
  type CrawlBackfillStatus,
  crawlBackfillSpec,
  crawlBackfillStatus,
} from '../../resources/crawl-backfill.ts';
import { crawlScheduleSpec } from '../../resources/crawl-schedule.ts';
import { LABEL } from '../../resources/group.ts';
import type { ExecutionStore } from '../../store/execution-store.ts';
import type { BackfillCache, RunCache, ScheduleCache } from '../caches.ts';
import { DATABASE_RETRY_MS } from '../database-preparation.ts';
import { createSlotRuns } from '../schedule/slot-runs.ts';
import { type Planning, planBackfill, slotsOf, takenTimes } from './backfill-plan.ts';
import { atWork, isBackfillFinished, neverApproved, newsOf, planned, unplanned } from './backfill-status.ts';
import { type BackfillRun, type BackfillStep, goneRuns, nextStep, withPhases } from './backfill-step.ts';

export type BackfillControllerOptions = {
  readonly backfills: ResourceClient<CrawlBackfill>;
  readonly runs: ResourceClient<CrawlRun>;
  readonly backfillCache: BackfillCache;
  readonly scheduleCache: ScheduleCache;
  readonly runCache: RunCache;
  /** How runs ended that may be gone. */
  readonly executions: Pick<ExecutionStore, 'ofSlots' | 'find'>;
  readonly events: EventRecorder;
  readonly now: () => Date;
};

/** A run that the API server does not take, such as for a quota, or whose name is taken, is tried again. */
const REFUSED_RETRY_MS = 30_000;

/** Reconciles are not to overlap: what one backfill is about to make, the next one does not plan. */
export function createBackfillReconciler(options: BackfillControllerOptions) {
  const { backfills, runs, backfillCache, scheduleCache, runCache, executions, events, now } = options;
  const slotRuns = createSlotRuns({ runs, runCache });

  return async function reconcile(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    const backfill = backfillCache.get(parseObjectKey(key));
    if (backfill === undefined || backfill.metadata.deletionTimestamp !== undefined) return {};
    if (isBackfillFinished(backfill.status)) return {};
    const spec = crawlBackfillSpec.parse(backfill.spec);
    if (backfill.status?.approvedPlan !== undefined) return work(backfill, spec, signal);

    if (spec.cancel) {
      await write(backfill, (status, generation) => neverApproved(status, generation, now()), signal);
      return {};
    }
    const planning = await plan(backfill, spec, signal);
    if (!planning.ok) {
      const { reason, message } = planning;
      await write(backfill, (status, generation) => unplanned(status, reason, message, generation, now()), signal);
      return lookAgain(spec, planning);
    }
    const { hash } = planning.plan;
    const { approvedPlan } = spec;
    const isApproved = approvedPlan === hash;
    const scheduleUid = scheduleOf(backfill)?.metadata.uid ?? '';
    const refused = isApproved ? undefined : approvedPlan;
    const written = await write(
      backfill,
      (status, generation) => ({
        ...planned(status, planning.plan, scheduleUid, refused, generation, now()),
        ...(isApproved ? { approvedPlan: hash } : {}),
      }),
      signal,
    );
    return isApproved && written ? work(written, spec, signal) : {};
  };

  function lookAgain({ to }: CrawlBackfillSpec, planning: Planning): ReconcileResult {
    if (planning.ok) return {};
    if (planning.reason === 'DatabaseUnavailable') return { requeueAfterMs: DATABASE_RETRY_MS };
    return planning.reason === 'TimesAhead' ? { requeueAfterMs: Date.parse(to) - now().getTime() } : {};
  }

  async function plan(backfill: CrawlBackfill, spec: CrawlBackfillSpec, signal: AbortSignal): Promise<Planning> {
    const { namespace } = backfill.metadata;
    const schedule = scheduleOf(backfill);
    if (schedule === undefined) {
      const message = `there is no CrawlSchedule "${spec.scheduleName}" in namespace ${namespace}`;
      return { ok: false, reason: 'UnknownSchedule', message };
    }
    const scheduleSpec = crawlScheduleSpec.safeParse(schedule.spec);
    if (!scheduleSpec.success) {
      return { ok: false, reason: 'InvalidSchedule', message: scheduleSpec.error.issues[0]?.message ?? '' };
    }
    const found = slotsOf(schedule, scheduleSpec.data, spec, now());
    if (!found.ok) return found;
    const range = { from: new Date(spec.from), to: new Date(spec.to) };
    try {
      const { uid } = schedule.metadata;
      const ended = await executions.ofSlots({ namespace, scheduleUid: uid, ...range }, signal);
      const others = backfillCache
        .byIndex('schedule', objectKey(schedule.metadata))
        .filter(({ metadata }) => metadata.uid !== backfill.metadata.uid);
      const past = { runs: runCache.byIndex('controller', uid), ended, taken: takenTimes(others) };
      return planBackfill(schedule, backfill, spec.reprocess, found.slots, past);
    } catch (error) {
      if (!(error instanceof StoreError) || signal.aborted) throw error;
      const message = `which times have had their runs is not known while PostgreSQL is away: ${error.message}`;
      return { ok: false, reason: 'DatabaseUnavailable', message };
    }
  }

  /** The plan is approved: makes and stops runs, and shows how they fare. */
  async function work(backfill: CrawlBackfill, spec: CrawlBackfillSpec, signal: AbortSignal): Promise<ReconcileResult> {
    const { plan: approved, runs: known = [] } = backfill.status ?? {};
    if (approved === undefined) throw new Error(`CrawlBackfill ${backfill.metadata.name} has an approval and no plan`);
    const seen = (name: string) => ownRun(backfill, name);
    const schedule = scheduleOf(backfill);
    const view = { spec, plan: approved, schedule, scheduleRuns: runCache.byIndex('controller', approved.scheduleUid) };
    const ends = await endsOf(backfill, goneRuns(known, seen), signal);
    const before = withPhases(known, seen).map((run) => ends.get(run.name) ?? run);
    const step = nextStep({ ...view, runs: before });
    for (const run of step.stop) await slotRuns.stop(run, signal);
    const refusal = schedule && (await make(backfill, schedule, step.make, signal));
    const after = withPhases(step.runs, seen);
    const shown: Pick<BackfillStep, 'phase' | 'reason' | 'message'> = refusal
      ? { phase: 'Running', reason: 'RunRefused', message: refusal }
      : step;
    const compute = (status: CrawlBackfillStatus | undefined, generation: number) =>
      atWork({ ...backfill.status, ...status }, shown, after, generation, now());
    await write(backfill, compute, signal);
    return refusal ? { requeueAfterMs: REFUSED_RETRY_MS } : {};
  }

  /** Makes the runs; the words of the first that could not be made. */
  async function make(
    backfill: CrawlBackfill,
    schedule: CrawlSchedule,
    wanted: readonly BackfillRun[],
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const spec = crawlScheduleSpec.parse(schedule.spec);
    for (const { time } of wanted) {
      const run = backfillRun(schedule, spec, new Date(time), backfill);
      const creation = await slotRuns.make(schedule, run, signal);
      if (creation.type === 'NameTaken' || creation.type === 'Refused') return creation.message;
      if (creation.type === 'NameNotFree') return `the name ${run.metadata.name} is not free yet`;
    }
    return undefined;
  }

  /** How runs ended that are not there any more; those of which nothing is known were deleted before their end. */
  async function endsOf(
    { metadata: { namespace } }: CrawlBackfill,
    gone: readonly BackfillRun[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, BackfillRun>> {
    const ends = new Map<string, BackfillRun>();
    for (const run of gone) {
      const execution = await executions.find(namespace, run.name, signal);
      ends.set(run.name, { ...run, phase: execution?.outcome ?? 'Stopped' });
    }
    return ends;
  }

  function ownRun({ metadata }: CrawlBackfill, name: string): CrawlRun | undefined {
    const run = runCache.get({ namespace: metadata.namespace, name });
    return run?.metadata.labels?.[LABEL.backfillUid] === metadata.uid ? run : undefined;
  }

  function scheduleOf({ metadata: { namespace }, spec }: CrawlBackfill): CrawlSchedule | undefined {
    return scheduleCache.get({ namespace, name: spec.scheduleName });
  }

  async function write(
    backfill: CrawlBackfill,
    compute: (status: CrawlBackfillStatus | undefined, generation: number) => CrawlBackfillStatus,
    signal: AbortSignal,
  ): Promise<CrawlBackfill | undefined> {
    const { generation = 0 } = backfill.metadata;
    const written = await updateStatus(
      backfills,
      backfill,
      ({ status }) => clampToSchema(crawlBackfillStatus, compute(status, generation)),
      { signal },
    );
    if (written === undefined || written === backfill) return written;
    const news = newsOf(backfill.status, written.status ?? {});
    if (news) {
      const { reason, message, isWarning } = news;
      events.record(backfill, { type: isWarning ? 'Warning' : 'Normal', reason, action: 'Backfill', message });
    }
    backfillCache.observe(written);
    return written;
  }
}
