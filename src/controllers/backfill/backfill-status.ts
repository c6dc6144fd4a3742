// What a CrawlBackfill's status says. Pure functions.
import { type Condition, findCondition, setCondition } from '../../kube/conditions.ts';
import { timestamp } from '../../kube/time.ts';
import type { BackfillConditionType, BackfillReason } from '../../resources/conditions.ts';
import type { BackfillPhase, CrawlBackfillStatus } from '../../resources/crawl-backfill.ts';
import type { Plan } from './backfill-plan.ts';
import { type BackfillRun, type BackfillStep, progressOf } from './backfill-step.ts';

type Said = { readonly status: 'True' | 'False'; readonly reason: BackfillReason; readonly message: string };
type Conditions = Readonly<Record<BackfillConditionType, Said>>;

const ENDS: readonly BackfillPhase[] = ['Succeeded', 'Failed', 'Cancelled'];

/** Whether nothing more becomes of it. */
export function isBackfillFinished(status: CrawlBackfillStatus | undefined): boolean {
  return status?.phase !== undefined && ENDS.includes(status.phase);
}

const notFinished: Said = { status: 'False', reason: 'NotFinished', message: 'it has not come to its end' };

/** No plan can be made of it as things are. */
export function unplanned(
  current: CrawlBackfillStatus | undefined,
  reason: BackfillReason,
  message: string,
  generation: number,
  now: Date,
): CrawlBackfillStatus {
  const said: Conditions = {
    Planned: { status: 'False', reason, message },
    Progressing: { status: 'False', reason: 'NotPlanned', message },
    Finished: notFinished,
  };
  return {
    observedGeneration: generation,
    phase: 'Pending',
    conditions: conditionsOf(current, said, generation, now),
  };
}

/** The plan waits to be approved; `refused` is a plan that was approved and is another one now. */
export function planned(
  current: CrawlBackfillStatus | undefined,
  { hash, template, runs, skipped }: Plan,
  scheduleUid: string,
  refused: string | undefined,
  generation: number,
  now: Date,
): CrawlBackfillStatus {
  const message = `${runs.length} runs, ${skipped} times left out: set spec.approvedPlan to ${hash} to make them`;
  const said: Conditions = {
    Planned: { status: 'True', reason: 'PlanReady', message },
    Progressing:
      refused === undefined
        ? { status: 'False', reason: 'WaitingForApproval', message }
        : {
            status: 'False',
            reason: 'PlanChanged',
            message: `plan ${refused} was approved, and is another one since something has changed: ${message}`,
          },
    Finished: notFinished,
  };
  return {
    observedGeneration: generation,
    phase: 'Planned',
    conditions: conditionsOf(current, said, generation, now),
    plan: { hash, template, skipped, scheduleUid },
    runs: [...runs],
    progress: progressOf(runs),
  };
}

/** The approved plan at work, or at its end. Plan and approval stay as they are. */
export function atWork(
  current: CrawlBackfillStatus,
  { phase, reason, message }: Pick<BackfillStep, 'phase' | 'reason' | 'message'>,
  runs: readonly BackfillRun[],
  generation: number,
  now: Date,
): CrawlBackfillStatus {
  const isOver = ENDS.includes(phase);
  const isProgressing = reason === 'RunsAtWork' || reason === 'Cancelling';
  const said: Conditions = {
    Planned: { status: 'True', reason: 'PlanApproved', message: `plan ${current.approvedPlan} was approved` },
    Progressing: { status: isProgressing ? 'True' : 'False', reason, message },
    Finished: isOver ? { status: 'True', reason, message } : notFinished,
  };
  return {
    ...current,
    observedGeneration: generation,
    phase,
    conditions: conditionsOf(current, said, generation, now),
    runs: [...runs],
    progress: progressOf(runs),
    startTime: current.startTime ?? timestamp(now),
    ...(isOver ? { completionTime: current.completionTime ?? timestamp(now) } : {}),
  };
}

/** It was cancelled before its plan was approved: nothing was ever made. */
export function neverApproved(
  current: CrawlBackfillStatus | undefined,
  generation: number,
  now: Date,
): CrawlBackfillStatus {
  const said = { reason: 'Cancelled', message: 'it was cancelled before its plan was approved' } as const;
  const conditions: Conditions = {
    Planned: { status: 'False', ...said },
    Progressing: { status: 'False', ...said },
    Finished: { status: 'True', ...said },
  };
  return {
    observedGeneration: generation,
    phase: 'Cancelled',
    conditions: conditionsOf(current, conditions, generation, now),
    completionTime: timestamp(now),
  };
}

function conditionsOf(
  current: CrawlBackfillStatus | undefined,
  said: Conditions,
  generation: number,
  now: Date,
): Condition[] {
  let conditions = [...(current?.conditions ?? [])];
  for (const [type, one] of Object.entries(said)) {
    conditions = setCondition(conditions, { type, ...one, observedGeneration: generation }, now);
  }
  return conditions;
}

/** What a person is told by an Event: the reason of Progressing, when it has become another one. */
export function newsOf(
  before: CrawlBackfillStatus | undefined,
  after: CrawlBackfillStatus,
): { readonly reason: string; readonly message: string; readonly isWarning: boolean } | undefined {
  const is = findCondition(after.conditions, 'Progressing');
  if (is === undefined || findCondition(before?.conditions, 'Progressing')?.reason === is.reason) return undefined;
  return { reason: is.reason, message: is.message, isWarning: WARNINGS.includes(is.reason) };
}

const WARNING_REASONS: readonly BackfillReason[] = [
  'NotPlanned',
  'PlanChanged',
  'TemplateChanged',
  'RunRefused',
  'SomeRunsFailed',
  'ScheduleGone',
];
const WARNINGS: readonly string[] = WARNING_REASONS;
