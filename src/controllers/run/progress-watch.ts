// Finds the runs that have moved since the last look, with one small statement for all of them, so that their figures are
// read and written soon, and those of the others seldom.
import { type CrawlRun, isFinished } from '../../custom-resources/types.ts';
import { objectKey } from '../../kube/kube-object.ts';
import type { WorkQueue } from '../../kube/work-queue.ts';
import type { OperatorStore } from '../../store/operator-store.ts';
import type { RunCache } from '../caches.ts';
import type { FigurePace } from './figure-pace.ts';

export const PROGRESS_INTERVAL_MS = 1_000;

export type ProgressWatchOptions = {
  readonly store: Pick<OperatorStore, 'runMarks'>;
  readonly runCache: Pick<RunCache, 'list' | 'byIndex'>;
  readonly queue: Pick<WorkQueue, 'addAfter'>;
  readonly pace: FigurePace;
};

/** The UIDs of runs that were there before and have another mark now, or have ended. */
export function movedRuns(before: ReadonlyMap<string, string>, now: ReadonlyMap<string, string>): readonly string[] {
  return [...before].filter(([uid, mark]) => now.get(uid) !== mark).map(([uid]) => uid);
}

/** One look. While no run is at work, PostgreSQL is not asked. */
export function createProgressWatch({ store, runCache, queue, pace }: ProgressWatchOptions) {
  let marks: ReadonlyMap<string, string> = new Map();
  return async (signal: AbortSignal): Promise<void> => {
    if (!runCache.list().some(isAtWork)) {
      marks = new Map();
      return;
    }
    const before = marks;
    marks = await store.runMarks(signal);
    for (const uid of movedRuns(before, marks)) {
      const [run] = runCache.byIndex('uid', uid);
      if (run && !isFinished(run)) queue.addAfter(objectKey(run.metadata), pace.wait(uid, performance.now()));
    }
  };
}

/** Its Job was made. */
function isAtWork(run: CrawlRun): boolean {
  return !isFinished(run) && run.status?.jobName !== undefined;
}
