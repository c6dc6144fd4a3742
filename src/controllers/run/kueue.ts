// Jobs that Kueue looks after: it resumes what is suspended while its workload has quota.

const QUEUE_LABEL = 'kueue.x-k8s.io/queue-name';

type Labelled = { readonly metadata: { readonly labels?: Readonly<Record<string, string>> | undefined } };

/** Whether Kueue decides when a Job runs: such a Job is created suspended, and Kueue resumes it when its turn has come. */
export function isOfKueue(job: Labelled): boolean {
  return queueOfKueue(job) !== undefined;
}

/** The LocalQueue of Kueue that a Job waits in. */
export function queueOfKueue({ metadata }: Labelled): string | undefined {
  return metadata.labels?.[QUEUE_LABEL];
}
