// What a Job says of its own end.
import type { Job } from '../../kube/builtin-types.ts';

/** How the Job ended, if it has. */
export function endOfJob(job: Job): { reason: string; message: string } | undefined {
  const final = job.status?.conditions?.find(
    (condition) => (condition.type === 'Complete' || condition.type === 'Failed') && condition.status === 'True',
  );
  return final && { reason: final.reason ?? final.type, message: final.message ?? `the Job is ${final.type}` };
}
