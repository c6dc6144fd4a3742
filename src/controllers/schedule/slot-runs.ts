// The runs of slots as the API server has them: made, found again, asked to stop, deleted beyond the history.
import type { CrawlRun, CrawlSchedule } from '../../custom-resources/types.ts';
import { isAlreadyExists, isConflict, isFinalAnswer, KubeError } from '../../kube/kube-error.ts';
import { controllerOf, isControlledBy, type NewObject } from '../../kube/kube-object.ts';
import type { ResourceClient } from '../../kube/resource-client.ts';
import type { RunCache } from '../caches.ts';

/** What became of the attempt to make a run. */
export type Creation =
  | { readonly type: 'Made'; readonly run: CrawlRun }
  /** An earlier attempt, whose answer was lost, had made it. */
  | { readonly type: 'Found'; readonly run: CrawlRun }
  /** Its name is still taken by the run of a deleted schedule, which is being collected. */
  | { readonly type: 'NameNotFree' }
  | { readonly type: 'NameTaken'; readonly message: string }
  /** The API server does not take it; `isFinal` when it would not take the same run later either. */
  | { readonly type: 'Refused'; readonly isFinal: boolean; readonly message: string };

export type SlotRunsOptions = {
  readonly runs: ResourceClient<CrawlRun>;
  readonly runCache: RunCache;
};

export function createSlotRuns({ runs, runCache }: SlotRunsOptions) {
  /** Throws when the API server cannot be reached. */
  async function make(schedule: CrawlSchedule, run: NewObject<CrawlRun>, signal: AbortSignal): Promise<Creation> {
    const { name } = run.metadata;
    try {
      const created = await runs.create(run, { signal });
      runCache.observe(created);
      return { type: 'Made', run: created };
    } catch (error) {
      if (isAlreadyExists(error)) return whoseIs(schedule, name, signal);
      if (!(error instanceof KubeError) || error.status === 0) throw error;
      return {
        type: 'Refused',
        isFinal: isFinalAnswer(error),
        message: `could not create run ${name}: ${error.message}`,
      };
    }
  }

  /** The name is taken: by our own earlier attempt, by a deleted schedule's run, or by something that is not ours. */
  async function whoseIs(schedule: CrawlSchedule, name: string, signal: AbortSignal): Promise<Creation> {
    const existing = await runs.get({ namespace: schedule.metadata.namespace, name }, { signal });
    if (existing === undefined) return { type: 'NameNotFree' };
    if (isControlledBy(existing, schedule)) {
      runCache.observe(existing);
      return { type: 'Found', run: existing };
    }
    const controller = controllerOf(existing);
    const isOfNamesake = controller?.kind === schedule.kind && controller.name === schedule.metadata.name;
    if (isOfNamesake) return { type: 'NameNotFree' };
    return { type: 'NameTaken', message: `a CrawlRun named ${name} that is not of this schedule is in the way` };
  }

  /** Asks the run to stop; false when it was asked before. */
  async function stop(run: CrawlRun, signal: AbortSignal): Promise<boolean> {
    if (run.spec.shutdown !== undefined) return false;
    const { uid, resourceVersion } = run.metadata;
    const body = { metadata: { uid, resourceVersion }, spec: { shutdown: 'Stop' } };
    runCache.observe(await runs.patch(run.metadata, { type: 'merge', body }, { signal }));
    return true;
  }

  async function remove(run: CrawlRun, signal: AbortSignal): Promise<void> {
    const { uid } = run.metadata;
    try {
      await runs.delete(run.metadata, { preconditions: { uid }, propagationPolicy: 'Background', signal });
    } catch (error) {
      if (!isConflict(error)) throw error; // another object has the name now
    }
  }

  return { make, stop, remove };
}
