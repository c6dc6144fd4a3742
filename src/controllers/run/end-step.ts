// How a run ends that its workers do not end themselves: a decision from its row, its Job and its pods. Pure functions.
import type { Job, Pod } from '../../kube/builtin-types.ts';
import { findCondition } from '../../kube/conditions.ts';
import { isStartReason, type RunReason } from '../../resources/conditions.ts';
import type { CrawlRunStatus } from '../../resources/crawl-run.ts';
import type { RunSnapshot } from '../../store/operator-store.ts';
import { endOfJob } from './job-end.ts';
import { makesNoPods } from './job-stop.ts';
import { hasEnded, lastFailure, saidBlocked } from './pods.ts';

export type StoppedOutcome = 'Stopped' | 'TimedOut' | 'Failed';

/** What is written down in PostgreSQL when a run is ended there. */
export type GivenEnd = { readonly stopReason: string; readonly outcome: StoppedOutcome; readonly message: string };

/** `Wait`: workers are at it. `Over`: it has ended. `WriteOutput`: its file is missing. `End`: as it is said here. */
export type EndStep = { readonly type: 'Wait' | 'Over' | 'WriteOutput' } | ({ readonly type: 'End' } & GivenEnd);

/** A stop is waited for as long as a pod lives or the Job could make another one. */
export function endStep(
  { state, startedAt, stopReason, output }: Pick<RunSnapshot, 'state' | 'startedAt' | 'stopReason' | 'output'>,
  job: Job | undefined,
  pods: readonly Pod[],
): EndStep {
  if (state === 'Finished') return { type: 'Over' };
  if (pods.some((pod) => !hasEnded(pod))) return { type: 'Wait' };
  const verdict = job && endOfJob(job);
  const isQuiet = verdict !== undefined || (stopReason !== undefined && makesNoPods(job));
  if (!isQuiet) return { type: 'Wait' };
  if (output?.due) return { type: 'WriteOutput' };
  // The operator's own verdict is found again where writing it down was cut short.
  const isVerdict = stopReason === 'WorkersFailed' || stopReason === 'Blocked' || stopReason === 'DataLost';
  if (stopReason !== undefined && !isVerdict) return { type: 'End', stopReason, ...endOfStopped(stopReason) };
  if (stopReason === 'DataLost' || wasFinished(job, pods)) {
    const message = lossOf(startedAt, wasFinished(job, pods));
    return { type: 'End', stopReason: 'DataLost', outcome: 'Failed', message };
  }
  const blocked = saidBlocked(pods);
  if (blocked !== undefined) return { type: 'End', stopReason: 'Blocked', outcome: 'Failed', message: blocked };
  const outcome = verdict?.reason === 'DeadlineExceeded' ? 'TimedOut' : 'Failed';
  const message = `the workers failed (${verdict?.reason}): ${lastFailure(pods) ?? verdict?.message}`;
  return { type: 'End', stopReason: 'WorkersFailed', outcome, message };
}

const LOST_RUN = 'PostgreSQL has lost the run and its results';
const LOST_AT_WORK =
  'PostgreSQL has lost the run while its workers were at work: what they had stored before that is lost, and they were stopped';
const LOST_END =
  'its workers had finished it, and PostgreSQL has gone back to an earlier time: what was stored after that is lost';

/** A row that was made again after a loss has a start when workers that were left have written to it. */
function lossOf(startedAt: Date | undefined, workersHadFinished: boolean): string {
  if (startedAt === undefined) return LOST_RUN;
  return workersHadFinished ? LOST_END : LOST_AT_WORK;
}

/** A worker exits with 0 only when PostgreSQL has told it that the run is finished. */
function wasFinished(job: Job | undefined, pods: readonly Pod[]): boolean {
  const isComplete = job !== undefined && endOfJob(job)?.isComplete === true;
  return isComplete || (job?.status?.succeeded ?? 0) > 0 || pods.some((pod) => pod.status?.phase === 'Succeeded');
}

function endOfStopped(stopReason: string): { readonly outcome: StoppedOutcome; readonly message: string } {
  switch (stopReason) {
    case 'Shutdown':
      return { outcome: 'Stopped', message: 'stopped, as spec.shutdown asks' };
    case 'TimedOut':
      return { outcome: 'TimedOut', message: 'spec.timeoutSeconds have passed' };
    case 'JobDeleted':
      return { outcome: 'Failed', message: 'its Job was deleted twice: workers cannot go on without it' };
    default:
      return isStartReason(stopReason)
        ? { outcome: 'Failed', message: `it could not start (${stopReason})` }
        : { outcome: 'Stopped', message: `stopped (${stopReason})` };
  }
}

/** Reasons of ends that PostgreSQL itself has counted out, for workers that had finished. */
const COUNTED_ENDS: readonly string[] = [
  'Succeeded',
  'SomeRequestsFailed',
  'AllRequestsFailed',
  'NothingCrawled',
] satisfies RunReason[];

/**
 * How a run ends in PostgreSQL that is live there, though its status shows its end: that was written without PostgreSQL, or
 * PostgreSQL has gone back to a time before it.
 */
export function endOfShown({ phase, message, conditions }: CrawlRunStatus): GivenEnd {
  const reason = findCondition(conditions, 'Finished')?.reason ?? 'Finished';
  if (COUNTED_ENDS.includes(reason)) {
    const lost = `it had ended as ${phase}, and PostgreSQL has gone back to an earlier time: what was stored after that is lost`;
    return { stopReason: 'DataLost', outcome: 'Failed', message: lost };
  }
  const outcome = phase === 'Stopped' || phase === 'TimedOut' ? phase : 'Failed';
  return { stopReason: reason, outcome, message: message ?? 'the run has ended' };
}
