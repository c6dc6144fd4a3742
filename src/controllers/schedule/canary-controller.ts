// Compares the image that a schedule tries out with that of its other runs, each time that one of its runs has ended.
import { type CrawlSchedule, isFinished } from '../../custom-resources/types.ts';
import type { EventRecorder } from '../../kube/events.ts';
import { objectKey, parseObjectKey } from '../../kube/kube-object.ts';
import type { ResourceClient } from '../../kube/resource-client.ts';
import { updateStatus } from '../../kube/status.ts';
import { timestamp } from '../../kube/time.ts';
import type { ReconcileResult, WorkQueue } from '../../kube/work-queue.ts';
import { crawlScheduleSpec } from '../../resources/crawl-schedule.ts';
import type { ExecutionStore } from '../../store/execution-store.ts';
import type { RunCache, ScheduleCache } from '../caches.ts';
import { canaryStatus } from './canary.ts';
import { scheduleOf } from './schedule-of.ts';

export type CanaryControllerOptions = {
  readonly schedules: ResourceClient<CrawlSchedule>;
  readonly scheduleCache: ScheduleCache;
  readonly executions: Pick<ExecutionStore, 'compareImages'>;
  readonly events: EventRecorder;
  readonly now: () => Date;
};

export function createCanaryReconciler(options: CanaryControllerOptions) {
  const { schedules, scheduleCache, executions, events, now } = options;

  return async function reconcile(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    const schedule = scheduleCache.get(parseObjectKey(key));
    if (schedule?.spec.canary === undefined || schedule.metadata.deletionTimestamp !== undefined) return {};
    const spec = crawlScheduleSpec.safeParse(schedule.spec);
    if (!spec.success || spec.data.canary === undefined) return {};
    const { canary } = spec.data;
    const known = schedule.status?.canary;
    const since = known?.image === canary.image ? known.since : timestamp(now());
    const { namespace, uid } = schedule.metadata;
    const query = { namespace, scheduleUid: uid, since: new Date(since), image: canary.image };
    const status = canaryStatus(canary, since, await executions.compareImages(query, signal));
    const compute = (current: CrawlSchedule) => ({ ...current.status, canary: status });
    const written = await updateStatus(schedules, schedule, compute, { signal });
    if (written === undefined || written === schedule) return {};
    scheduleCache.observe(written);
    if (status.verdict !== 'Undecided' && (known?.image !== canary.image || known.verdict !== status.verdict)) {
      const isWorse = status.verdict === 'Worse';
      const note = { action: 'CompareImages', message: `canary ${canary.image}: ${status.message}` };
      events.record(schedule, {
        ...{ type: isWorse ? 'Warning' : 'Normal', reason: `Canary${status.verdict}` },
        ...note,
      });
    }
    return {};
  };
}

export type CanaryWakeOptions = {
  readonly scheduleCache: ScheduleCache;
  readonly runCache: RunCache;
  readonly queue: Pick<WorkQueue, 'add'>;
};

export function wakeCanaries({ scheduleCache, runCache, queue }: CanaryWakeOptions): void {
  scheduleCache.subscribe(({ type, object }) => {
    const { canary } = object.spec;
    if (type !== 'deleted' && canary !== undefined && object.status?.canary?.image !== canary.image) {
      queue.add(objectKey(object.metadata));
    }
  });
  runCache.subscribe((change) => {
    if (change.type === 'deleted' || !isFinished(change.object)) return;
    if (change.type === 'updated' && isFinished(change.previous)) return;
    const schedule = scheduleOf(change.object, scheduleCache);
    if (schedule?.spec.canary !== undefined) queue.add(objectKey(schedule.metadata));
  });
}
