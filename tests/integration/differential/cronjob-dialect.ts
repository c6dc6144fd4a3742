// How CronJobs and their Jobs say it. No Job here wants a pod.
import { JOBS, type Job } from '#src/kube/builtin-types.ts';
import { controllerReference, type ResourceType } from '#src/kube/kube-object.ts';
import type { Dialect, Ending } from './side.ts';

const CRONJOBS: ResourceType = { group: 'batch', version: 'v1', plural: 'cronjobs', kind: 'CronJob', namespaced: true };
const SCHEDULED_TIME = 'batch.kubernetes.io/cronjob-scheduled-timestamp';

function jobSpec(ends?: Ending): object {
  const container = { name: 'job', image: 'registry.example/job:1' };
  return {
    parallelism: 0,
    ...(ends === 'completes' ? { completions: 0 } : {}),
    ...(ends === 'fails' ? { activeDeadlineSeconds: 1 } : {}),
    template: { spec: { restartPolicy: 'Never', containers: [container] } },
  };
}

export const cronJobDialect: Dialect<Job> = {
  schedules: CRONJOBS,
  children: JOBS,
  spec: ({ history, ...spec }) => ({
    ...spec,
    ...(history ? { successfulJobsHistoryLimit: history.succeeded, failedJobsHistoryLimit: history.failed } : {}),
  }),
  template: (ends) => ({ jobTemplate: { spec: jobSpec(ends) } }),
  slotOf: ({ metadata }) => {
    const time = metadata.annotations?.[SCHEDULED_TIME];
    return time === undefined ? undefined : new Date(time);
  },
  childName: (name, slot) => `${name}-${Math.floor(slot.getTime() / 60_000)}`,
  childSpec: () => jobSpec(),
  // As `kubectl create job --from=cronjob/…` does.
  childByHand: (schedule) =>
    ({
      metadata: {
        name: `${schedule.metadata.name}-by-hand`,
        namespace: schedule.metadata.namespace,
        annotations: { 'cronjob.kubernetes.io/instantiate': 'manual' },
        ownerReferences: [controllerReference(schedule)],
      },
      spec: jobSpec(),
    }) as ReturnType<Dialect<Job>['childByHand']>,
  end: async (api, job, signal) => {
    await api.resource<Job>(JOBS).patch(job.metadata, endOfJob, { signal });
  },
};

/** Any Job fails soon after this. */
export const endOfJob = { type: 'merge', body: { spec: { activeDeadlineSeconds: 1 } } } as const;
