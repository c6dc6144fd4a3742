// Whether a run that has ended is tried again by itself, when, and as what. Pure functions.
import { automaticRetry } from '../../custom-resources/new-runs.ts';
import { type CrawlRun, isFinished } from '../../custom-resources/types.ts';
import { findCondition, isConditionTrue } from '../../kube/conditions.ts';
import type { NewObject } from '../../kube/kube-object.ts';
import type { RunReason } from '../../resources/conditions.ts';
import { type RunPhase, retryPolicy } from '../../resources/crawl-run.ts';
import { durationMs } from '../../resources/duration.ts';

export type RetryStep =
  | { readonly type: 'None' }
  | { readonly type: 'Wait'; readonly ms: number }
  | { readonly type: 'Make'; readonly run: NewObject<CrawlRun>; readonly number: number };

const RETRIED: readonly (RunPhase | undefined)[] = ['Failed', 'Partial', 'TimedOut'];
/** The same spec would be refused again, or there is nothing to try again. */
const FINAL: readonly RunReason[] = [
  'SpecInvalid',
  'SpecTooLarge',
  'PodFieldForbidden',
  'UnknownRun',
  'NothingToRetry',
];
/** Every page was tried: what failed are dead letters, and nothing is left in the queue. */
const ALL_TRIED: readonly RunReason[] = ['SomeRequestsFailed', 'AllRequestsFailed'];
const LONGEST_BACKOFF_MS = 24 * 3_600_000;

/**
 * What spec.retryPolicy says of a run now. With onlyDead a retry takes the dead letters where every page was tried, and
 * crawls all anew where pages were left over.
 */
export function retryStep(run: CrawlRun, now: Date): RetryStep {
  const { success, data: policy } = retryPolicy.safeParse(run.spec.retryPolicy);
  const { phase, completionTime, conditions, retry, progress } = run.status ?? {};
  if (!success || completionTime === undefined || !isFinished(run) || retry !== undefined) return { type: 'None' };
  const reason = findCondition(conditions, 'Finished')?.reason ?? '';
  const number = (run.spec.trigger?.attempt ?? 0) + 1;
  const isFinal = FINAL.some((one) => one === reason);
  if (!RETRIED.includes(phase) || isFinal || number > policy.maxRetries) return { type: 'None' };
  const backoffMs = Math.min(durationMs(policy.backoff) * 2 ** (number - 1), LONGEST_BACKOFF_MS);
  const ms = Date.parse(completionTime) + backoffMs - now.getTime();
  if (ms > 0) return { type: 'Wait', ms };
  // A retry whose dead letters were not kept has failed without any of its own: one of these would succeed with nothing.
  const hasDead = (progress?.failed ?? 0) > 0;
  const only = policy.onlyDead && hasDead && ALL_TRIED.some((one) => one === reason) ? 'Dead' : 'All';
  return { type: 'Make', run: automaticRetry(run, only, number), number };
}

/**
 * Whether the run must stay: its retry is still to be made, or one has not taken from it yet what it tries again.
 * @param retries those that there are of the run, by themselves or by hand
 */
export function isAwaitedByRetry(run: CrawlRun, retries: readonly CrawlRun[], now: Date): boolean {
  if (retryStep(run, now).type !== 'None') return true;
  return retries.some(({ spec, status }) => {
    const takesFromIt = (spec.trigger?.only ?? 'All') !== 'All';
    const hasTaken = ['Accepted', 'Finished'].some((type) => isConditionTrue(status?.conditions, type));
    return takesFromIt && !hasTaken;
  });
}
