// What stops the Job of a run, and whether it has stopped. Pure functions.
import type { Job } from '../../kube/builtin-types.ts';
import { isConditionTrue } from '../../kube/conditions.ts';
import { isOfKueue } from './kueue.ts';

/** `spec.managedBy` of Jobs that the cluster's own Job controller looks after; so does a Job without it (KEP-4368). */
const JOB_CONTROLLER = 'kubernetes.io/job-controller';

/**
 * What stops the Job: it is suspended, or, where Kueue would resume it, its time is over, which nobody takes back.
 * Undefined when it is stopped already.
 */
export function stopOf(job: Job): object | undefined {
  const { spec } = job;
  if (!isOfKueue(job)) return spec?.suspend ? undefined : { suspend: true };
  return spec?.activeDeadlineSeconds === 1 ? undefined : { activeDeadlineSeconds: 1 };
}

/**
 * Whether a Job that was to stop makes no pods any more. Its controller says so; one that looks after Jobs of other clusters
 * may never do, and a worker that it starts later finds the run ended.
 */
export function makesNoPods(job: Job | undefined): boolean {
  if (job === undefined || isConditionTrue(job.status?.conditions, 'Suspended')) return true;
  const { managedBy = JOB_CONTROLLER } = job.spec ?? {};
  return managedBy !== JOB_CONTROLLER && stopOf(job) === undefined;
}
