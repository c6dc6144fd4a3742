// How a run ends that its workers do not end themselves: a decision from its row, its Job and its pods. Pure functions.
import type { Job, Pod } from '../../kube/builtin-types.ts';
import { isConditionTrue } from '../../kube/conditions.ts';
import { isStartReason } from '../../resources/conditions.ts';
import type { RunSnapshot } from '../../store/operator-store.ts';
import { endOfJob } from './job-end.ts';
import { hasEnded, lastFailure, saidBlocked } from './pods.ts';

export type StoppedOutcome = 'Stopped' | 'TimedOut' | 'Failed';

/** `Wait`: workers are at it. `Over`: it has ended. `WriteOutput`: its file is missing. `End`: as it is said here. */
export type EndStep =
  | { readonly type: 'Wait' | 'Over' | 'WriteOutput' }
  | { readonly type: 'End'; readonly stopReason: string; readonly outcome: StoppedOutcome; readonly message: string };

/** A stop is waited for as long as a pod lives or the Job could make another one. */
export function endStep(
  { state, stopReason, output }: Pick<RunSnapshot, 'state' | 'stopReason' | 'output'>,
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
  const isVerdict = stopReason === 'WorkersFailed' || stopReason === 'Blocked';
  if (stopReason !== undefined && !isVerdict) return { type: 'End', stopReason, ...endOfStopped(stopReason) };
  const blocked = saidBlocked(pods);
  if (blocked !== undefined) return { type: 'End', stopReason: 'Blocked', outcome: 'Failed', message: blocked };
  const outcome = verdict?.reason === 'DeadlineExceeded' ? 'TimedOut' : 'Failed';
  const message = `the workers failed (${verdict?.reason}): ${lastFailure(pods) ?? verdict?.message}`;
  return { type: 'End', stopReason: 'WorkersFailed', outcome, message };
}

function makesNoPods(job: Job | undefined): boolean {
  return job === undefined || isConditionTrue(job.status?.conditions, 'Suspended');
}

function endOfStopped(stopReason: string): { readonly outcome: StoppedOutcome; readonly message: string } {
  switch (stopReason) {
    case 'Shutdown':
      return { outcome: 'Stopped', message: 'stopped, as spec.shutdown asks' };
    case 'TimedOut':
      return { outcome: 'TimedOut', message: 'spec.timeoutSeconds have passed' };
    case 'DataLost':
      return { outcome: 'Failed', message: 'PostgreSQL has lost the run and its results' };
    case 'JobDeleted':
      return { outcome: 'Failed', message: 'its Job was deleted twice: workers cannot go on without it' };
    default:
      return isStartReason(stopReason)
        ? { outcome: 'Failed', message: `it could not start (${stopReason})` }
        : { outcome: 'Stopped', message: `stopped (${stopReason})` };
  }
}
