// What becomes of a due slot, given the runs of its schedule: a run, a run in place of others, or nothing. Pure functions.

import { type CrawlRun, isFinished, isOfBackfill, isSlotRun } from '../../custom-resources/types.ts';
import { isConditionTrue } from '../../kube/conditions.ts';
import type { CrawlScheduleSpec } from '../../resources/crawl-schedule.ts';
import { ON_TIME_SECONDS } from '../../schedule/due.ts';

export type SlotPolicy = Pick<CrawlScheduleSpec, 'concurrencyPolicy' | 'maxQueuedRuns'>;

export type SlotDecision =
  /** Make the run, after these were asked to stop. */
  | { readonly type: 'Start'; readonly stop: readonly CrawlRun[] }
  /** The slot never gets a run. */
  | { readonly type: 'Skip'; readonly reason: 'JobAlreadyActive' | 'QueueFull'; readonly message: string };

/**
 * When the run of a slot starts: at its planned time, or now when that is over for more than ON_TIME_SECONDS. Within
 * them a slot is judged by its planned time, so that a restart of the operator does not turn a skipped slot into a late
 * run.
 */
export function startOfSlot(slot: Date, jitterMs: number, now: Date): Date {
  const planned = new Date(slot.getTime() + jitterMs);
  return isCatchUp(slot, jitterMs, now) ? now : planned;
}

/** Whether a run that is made now makes up for a missed slot. */
export function isCatchUp(slot: Date, jitterMs: number, now: Date): boolean {
  return now.getTime() - slot.getTime() - jitterMs > ON_TIME_SECONDS * 1_000;
}

/** `runs` are all runs of the schedule, `start` is when the run of the slot would start. */
export function decideSlot(runs: readonly CrawlRun[], slot: Date, start: Date, policy: SlotPolicy): SlotDecision {
  const inTheWay = runs.filter((run) => isInTheWay(run, slot, start));
  const unfinished = inTheWay.filter((run) => !isFinished(run));
  switch (policy.concurrencyPolicy) {
    case 'Allow':
      return { type: 'Start', stop: [] };
    case 'Replace':
      return { type: 'Start', stop: unfinished };
    case 'Forbid': {
      const [first] = inTheWay;
      if (first === undefined) return { type: 'Start', stop: [] };
      const message = `${first.metadata.name} was still active at ${start.toISOString()} and spec.concurrencyPolicy is Forbid`;
      return { type: 'Skip', reason: 'JobAlreadyActive', message };
    }
    case 'Queue': {
      // One of them is at work, the others wait.
      if (unfinished.length <= policy.maxQueuedRuns) return { type: 'Start', stop: [] };
      const message = `${policy.maxQueuedRuns} runs wait already (spec.maxQueuedRuns); none is made for ${slot.toISOString()}`;
      return { type: 'Skip', reason: 'QueueFull', message };
    }
  }
}

/**
 * What has not finished is in the way; what has finished only if it did so after the new run would start. Runs that were
 * made beside the slots (by hand, retries) are in the way from when they are admitted; those of backfills never are.
 */
function isInTheWay(run: CrawlRun, slot: Date, start: Date): boolean {
  if (isRunOfSlot(run, slot) || isOfBackfill(run)) return false;
  if (isFinished(run)) return new Date(run.status?.completionTime ?? 0) > start;
  return isSlotRun(run) || isConditionTrue(run.status?.conditions, 'Accepted');
}

function isRunOfSlot(run: CrawlRun, slot: Date): boolean {
  return isSlotRun(run) && Date.parse(run.spec.trigger?.scheduledTime ?? '') === slot.getTime();
}
