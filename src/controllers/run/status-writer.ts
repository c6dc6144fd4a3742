// Writes the status of runs: what a program may wait for at once, figures at their pace, and always so that it fits.
import { isDeepStrictEqual } from 'node:util';
import type { CrawlRun } from '../../custom-resources/types.ts';
import { isInvalid, isTooLarge } from '../../kube/kube-error.ts';
import type { ResourceClient } from '../../kube/resource-client.ts';
import { updateStatus } from '../../kube/status.ts';
import type { CrawlRunStatus } from '../../resources/crawl-run.ts';
import type { Logger } from '../../telemetry/logger.ts';
import type { RunCache } from '../caches.ts';
import type { FigurePace } from './figure-pace.ts';
import { logFields } from './run-log-fields.ts';
import { type RunObservation, runStatus } from './run-status.ts';
import { nextShorter, type StatusSize, shorterStatus } from './shorter-status.ts';

export type StatusWriterOptions = {
  readonly runs: ResourceClient<CrawlRun>;
  readonly runCache: RunCache;
  readonly pace: FigurePace;
  readonly now: () => Date;
  readonly logger: Logger;
};

/** Whether programs wait for the change: another phase, or a condition with another status or reason. */
export function isNews(before: CrawlRunStatus | undefined, after: CrawlRunStatus): boolean {
  const verdicts = (status: CrawlRunStatus | undefined) =>
    (status?.conditions ?? []).map(({ type, status: value, reason }) => `${type} ${value} ${reason}`).sort();
  return before?.phase !== after.phase || !isDeepStrictEqual(verdicts(before), verdicts(after));
}

export function createStatusWriter({ runs, runCache, pace, now, logger }: StatusWriterOptions) {
  /** By UID of live runs: how much of its status fits. */
  const sizes = new Map<string, StatusSize>();
  runCache.subscribe(({ type, object }) => {
    if (type !== 'deleted') return;
    pace.forget(object.metadata.uid);
    sizes.delete(object.metadata.uid);
  });

  /** Milliseconds until the status may be written that was too early now; undefined when it is as it should be. */
  async function write(run: CrawlRun, seen: RunObservation, signal: AbortSignal): Promise<number | undefined> {
    const { uid, generation } = run.metadata;
    const wait = pace.wait(uid, performance.now());
    if (wait > 0 && !isNews(run.status, runStatus(run, seen, now(), generation))) return wait;
    for (let size: StatusSize | undefined = sizes.get(uid) ?? 'Whole'; size !== undefined; size = nextShorter(size)) {
      try {
        const fitting = size;
        const compute = (current: CrawlRun) => shorterStatus(runStatus(current, seen, now(), generation), fitting);
        const written = await updateStatus(runs, run, compute, { signal });
        const isWritten = written !== undefined && written !== run;
        pace.settle(uid, performance.now(), isWritten);
        if (isWritten) runCache.observe(written);
        return undefined;
      } catch (error) {
        if ((!isTooLarge(error) && !isInvalid(error)) || nextShorter(size) === undefined) throw error;
        logger.warn({ ...logFields(run), size, err: error }, 'the status was refused: writing a shorter one');
        sizes.set(uid, nextShorter(size) ?? size);
      }
    }
    return undefined;
  }

  return { write };
}
