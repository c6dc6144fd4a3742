// What a Job says of its own end.
import type { Job } from '../../kube/builtin-types.ts';

/** How the Job ended, if it has. */
export function endOfJob(job: Job): { isComplete: boolean; reason: string; message: string } | undefined {
  const final = job.status?.conditions?.find(
    (condition) => (condition.type === 'Complete' || condition.type === 'Failed') && condition.status === 'True',
  );
  if (final === undefined) return undefined;
  const { type, reason = type, message = `the Job is ${type}` } = final;
  return { isComplete: type === 'Complete', reason, message };
}
