// Compares runs that have ended with the runs before them, a few pages a transaction: what they found is not held up by it, and a
// large run does not hold up the others.

import { StoreError } from '../gateway/protocol/store-error.ts';
import type { ComparisonStore } from '../store/comparison-store.ts';
import type { Logger } from '../telemetry/logger.ts';

/** Runs that take turns. */
const AT_ONCE = 20;
/** Pages of a step, by how often the step before has failed: a page may have a thousand items of a megabyte. */
const PAGES_BY_TRIES = [200, 20, 1, 1] as const;

/** Resolves when nothing is left to be done now. What fails for other reasons than a database that is away is given up in the end. */
export async function compareRuns(
  { store, logger }: { readonly store: { readonly comparisons: ComparisonStore }; readonly logger: Logger },
  signal: AbortSignal,
): Promise<void> {
  const { comparisons } = store;
  for (;;) {
    const open = await comparisons.open(AT_ONCE, signal);
    if (open.length === 0) return;
    for (const { runId, tries } of open) {
      signal.throwIfAborted();
      const pages = PAGES_BY_TRIES[tries] ?? 1;
      try {
        await comparisons.step(runId, pages, signal);
      } catch (error) {
        signal.throwIfAborted();
        const isLast = tries >= PAGES_BY_TRIES.length - 1;
        // Who waits for a database that is away gives nothing up; a step that takes too long is Unavailable, too.
        await comparisons.fail(runId, error instanceof Error ? error.message : String(error), isLast, signal);
        if (!(error instanceof StoreError)) throw error;
        logger.warn(
          { run: runId, pages, tries: tries + 1, err: error },
          'a run could not be compared with the one before',
        );
      }
    }
  }
}
