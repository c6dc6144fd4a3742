// Conditions of both resources and the fixed lists of their types and reasons.
import { z } from 'zod';
import { keyedBy } from './validation.ts';

export const RUN_CONDITIONS = [
  'Accepted',
  'JobCreated',
  'Progressing',
  'Stalled',
  'OutputWritten',
  'EmptyResult',
  'UnexpectedResult',
  'Complete',
  'Failed',
  'Finished',
] as const;
export type RunConditionType = (typeof RUN_CONDITIONS)[number];

/**
 * What keeps a run from starting, and ends it when it stays: each names an obstacle before the first heartbeat of a
 * worker. A run that is ended for one of them carries it as the reason of its end.
 */
export const START_REASONS = [
  // The run itself
  'SpecInvalid',
  'SpecTooLarge',
  'PodFieldForbidden',
  'UnknownQueue',
  'UnknownRun',
  'NothingToRetry',
  'DeadLettersGone',
  // Its Secret, its volume and its Job
  'SecretConflict',
  'SecretRefused',
  'GatewayNotReady',
  'VolumeClaimMissing',
  'VolumeClaimUnsuitable',
  'JobConflict',
  'JobRefused',
  'JobDeleted',
  'ApiServerError',
  // Its pods
  'QuotaExceeded',
  'PodsRefused',
  'Unschedulable',
  'VolumeNotMounted',
  'SandboxFailed',
  'ImagePullFailed',
  'ContainerRefused',
  'WorkerCrashed',
  'NoHeartbeat',
] as const;
export type StartReason = (typeof START_REASONS)[number];

export function isStartReason(text: string): text is StartReason {
  return (START_REASONS as readonly string[]).includes(text);
}

/** Why a run's condition is as it is. */
export const RUN_REASONS = [
  ...START_REASONS,
  // Accepted
  'WaitingForSlot',
  'WaitingForPrevious',
  'SpecStored',
  'DatabaseUnavailable',
  // JobCreated
  'JobCreated',
  'JobRecreated',
  // Progressing
  'WaitingForWorker',
  'Paused',
  'JobSuspended',
  'NodeLost',
  'Crawling',
  'HostsBlocked',
  'HostShared',
  'Stopping',
  'WritingOutput',
  // Stalled
  'WorkerHangs',
  'WorkerSilent',
  'WorkerReplaced',
  // OutputWritten
  'CrawlNotOver',
  'OutputWritten',
  'OutputFailed',
  'NothingToWrite',
  // EmptyResult
  'ItemsStored',
  'NoPageSucceeded',
  'NoItems',
  // UnexpectedResult
  'AsExpected',
  'TooFewItems',
  'TooManyItems',
  'FieldsMissing',
  // Complete, Failed, Finished
  'Succeeded',
  'SomeRequestsFailed',
  'AllRequestsFailed',
  'NothingCrawled',
  'Shutdown',
  'TimedOut',
  'WorkersFailed',
  'DataLost',
  'Blocked',
  'Finished',
] as const;
export type RunReason = (typeof RUN_REASONS)[number];

export const SCHEDULE_CONDITIONS = ['Ready', 'Suspended', 'Late'] as const;
export type ScheduleConditionType = (typeof SCHEDULE_CONDITIONS)[number];

/** Why a schedule's condition is as it is. */
export const SCHEDULE_REASONS = [
  'Scheduled',
  'Suspended',
  'InvalidSchedule',
  'UnknownTimeZone',
  'UnknownSchedule',
  'ScheduleLoop',
  'UnknownQueue',
  'InvalidSpec',
  'RunRefused',
  'FailedTooOften',
  // Late
  'SucceededInTime',
  'NoSuccessInTime',
] as const;
export type ScheduleReason = (typeof SCHEDULE_REASONS)[number];

export const BACKFILL_CONDITIONS = ['Planned', 'Progressing', 'Finished'] as const;
export type BackfillConditionType = (typeof BACKFILL_CONDITIONS)[number];

/** Why a backfill's condition is as it is. */
export const BACKFILL_REASONS = [
  // Planned
  'PlanReady',
  'PlanApproved',
  'UnknownSchedule',
  'ScheduleWithoutTimes',
  'InvalidSchedule',
  'TimesAhead',
  'TooManyRuns',
  'NothingToDo',
  'DatabaseUnavailable',
  // Progressing
  'NotPlanned',
  'WaitingForApproval',
  'PlanChanged',
  'RunsAtWork',
  'WaitingForSchedule',
  'TemplateChanged',
  'RunRefused',
  'Suspended',
  'Cancelling',
  // Finished
  'NotFinished',
  'AllSucceeded',
  'SomeRunsFailed',
  'Cancelled',
  'ScheduleGone',
] as const;
export type BackfillReason = (typeof BACKFILL_REASONS)[number];

const condition = z.object({
  type: z.string().max(316).describe('What the condition says.'),
  status: z.enum(['True', 'False', 'Unknown']).describe('Whether it holds.'),
  observedGeneration: z.int().min(0).optional().describe('The generation of the spec that it was derived from.'),
  lastTransitionTime: z.iso.datetime().describe('When the status last changed.'),
  reason: z.string().max(1024).describe('Why, in one word from a fixed list.'),
  message: z.string().max(32_768).describe('Why, in a sentence that a person can act on.'),
});
export type Condition = z.infer<typeof condition>;

/** The standard list of conditions, one of each type. */
export const conditions = keyedBy(
  z.array(condition).max(20).describe('What is known of the object, one condition of each type.'),
  'type',
);
