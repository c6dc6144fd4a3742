// Jobs that Kueue looks after: it resumes what is suspended while its workload has quota.
import type { Job } from '../../kube/builtin-types.ts';

const QUEUE_LABEL = 'kueue.x-k8s.io/queue-name';

/** Whether Kueue decides when the Job runs. */
export function isOfKueue({ metadata }: Job): boolean {
  return metadata.labels?.[QUEUE_LABEL] !== undefined;
}
