// What an approved backfill does next, from its plan, its runs and those of its schedule. Pure functions.
import type { CrawlRun, CrawlSchedule } from '../../custom-resources/types.ts';
import { isFinished, isSlotRun, phaseOf } from '../../custom-resources/types.ts';
import type { BackfillReason } from '../../resources/conditions.ts';
import type { BackfillPhase, CrawlBackfillSpec, CrawlBackfillStatus } from '../../resources/crawl-backfill.ts';
import { templateHash } from './backfill-plan.ts';

export type BackfillRun = NonNullable<CrawlBackfillStatus['runs']>[number];
type RunPhase = BackfillRun['phase'];

export type BackfillView = {
  readonly spec: Pick<CrawlBackfillSpec, 'maxActive' | 'suspend' | 'cancel'>;
  /** As the status has it. */
  readonly plan: Pick<NonNullable<CrawlBackfillStatus['plan']>, 'scheduleUid' | 'template'>;
  readonly runs: readonly BackfillRun[];
  /** Undefined when there is none of that name. */
  readonly schedule: CrawlSchedule | undefined;
  /** All runs of the schedule, those of the backfill among them. */
  readonly scheduleRuns: readonly CrawlRun[];
};

export type BackfillStep = {
  /** Runs to be made now, the oldest time first. */
  readonly make: readonly BackfillRun[];
  readonly stop: readonly CrawlRun[];
  /** Every run as it is before these are made. */
  readonly runs: readonly BackfillRun[];
  readonly phase: BackfillPhase;
  readonly reason: BackfillReason;
  readonly message: string;
};

const ENDS: readonly RunPhase[] = ['Succeeded', 'Partial', 'Failed', 'Stopped', 'TimedOut'];

/** Whether nothing more becomes of a run of a backfill. */
export function hasEnded({ phase }: Pick<BackfillRun, 'phase'>): boolean {
  return ENDS.includes(phase);
}

/** The runs by what the API server has of them. One that was made and is gone keeps its last phase: ask PostgreSQL. */
export function withPhases(runs: readonly BackfillRun[], seen: (name: string) => CrawlRun | undefined): BackfillRun[] {
  return runs.map((run) => {
    const found = hasEnded(run) ? undefined : seen(run.name);
    return found === undefined ? run : { ...run, phase: phaseOf(found) };
  });
}

/** Runs that were made, have not been seen to end and are not there any more. */
export function goneRuns(runs: readonly BackfillRun[], seen: (name: string) => CrawlRun | undefined): BackfillRun[] {
  return runs.filter((run) => run.phase !== 'Waiting' && !hasEnded(run) && seen(run.name) === undefined);
}

export function nextStep(view: BackfillView): BackfillStep {
  const { spec, plan, scheduleRuns } = view;
  const schedule = view.schedule?.metadata.uid === plan.scheduleUid ? view.schedule : undefined;
  const isCancelled = spec.cancel || schedule === undefined;
  const runs = isCancelled ? view.runs.map(neverMade) : view.runs;
  const active = runs.filter((run) => run.phase !== 'Waiting' && !hasEnded(run));
  const nothing = { make: [], stop: [], runs };

  if (runs.every(hasEnded)) return { ...nothing, ...endOf(runs, schedule === undefined, spec.cancel) };
  if (isCancelled) {
    const names = new Set(active.map(({ name }) => name));
    const stop = scheduleRuns.filter((run) => names.has(run.metadata.name) && run.spec.shutdown === undefined);
    const message = `${active.length} runs are stopped; no more are made`;
    return { ...nothing, stop, phase: 'Cancelling', reason: 'Cancelling', message };
  }
  if (spec.suspend) {
    return { ...nothing, phase: 'Paused', reason: 'Suspended', message: 'spec.suspend is true: no more runs are made' };
  }
  const waiting = runs.filter(({ phase }) => phase === 'Waiting');
  if (waiting.length > 0 && templateHash(schedule) !== plan.template) {
    const message =
      'spec.runTemplate of the schedule was edited: the runs that are left would not be those of the plan. Take the edit back, or cancel this backfill and plan another one';
    return { ...nothing, phase: 'Paused', reason: 'TemplateChanged', message };
  }
  const ofSchedule = scheduleRuns.find((run) => isSlotRun(run) && !isFinished(run));
  if (waiting.length > 0 && ofSchedule !== undefined && schedule.spec.concurrencyPolicy !== 'Allow') {
    const message = `run ${ofSchedule.metadata.name} of the schedule goes first; the next run is made when it has ended`;
    return { ...nothing, phase: 'Running', reason: 'WaitingForSchedule', message };
  }
  const make = waiting.slice(0, Math.max(0, spec.maxActive - active.length));
  const message = `${runs.filter(hasEnded).length} of ${runs.length} runs have ended`;
  return { ...nothing, make, phase: 'Running', reason: 'RunsAtWork', message };
}

function neverMade(run: BackfillRun): BackfillRun {
  return run.phase === 'Waiting' ? { ...run, phase: 'Stopped' } : run;
}

function endOf(
  runs: readonly BackfillRun[],
  isScheduleGone: boolean,
  isCancelled: boolean,
): Pick<BackfillStep, 'phase' | 'reason' | 'message'> {
  const { succeeded, failed, stopped, total } = progressOf(runs);
  const amounts = `${succeeded} of ${total} runs gave results, ${failed} failed, ${stopped} were stopped or not made`;
  if (stopped > 0 && isCancelled) return { phase: 'Cancelled', reason: 'Cancelled', message: amounts };
  if (stopped > 0 && isScheduleGone) {
    return { phase: 'Cancelled', reason: 'ScheduleGone', message: `its schedule was deleted: ${amounts}` };
  }
  if (succeeded < total) return { phase: 'Failed', reason: 'SomeRunsFailed', message: amounts };
  return { phase: 'Succeeded', reason: 'AllSucceeded', message: amounts };
}

export function progressOf(runs: readonly BackfillRun[]): NonNullable<CrawlBackfillStatus['progress']> {
  const count = (...phases: RunPhase[]) => runs.filter(({ phase }) => phases.includes(phase)).length;
  const waiting = count('Waiting');
  const [succeeded, failed, stopped] = [count('Succeeded', 'Partial'), count('Failed', 'TimedOut'), count('Stopped')];
  return {
    ...{ total: runs.length, waiting, succeeded, failed, stopped },
    active: runs.length - waiting - succeeded - failed - stopped,
  };
}
