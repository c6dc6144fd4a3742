// The newest slot of each schedule that Postgres remembers: what neither a wiped status, pruned runs nor an API server
// that lags behind can make this process forget.
import { withDeadline } from '../kube/delay.ts';
import type { OperatorStore } from '../store/operator-store.ts';
import { StoreError } from '../store/store-error.ts';
import type { Logger } from '../telemetry/logger.ts';

export type SlotMemory = {
  /**
   * Answers the first time that a schedule is looked at, and whenever it is `blank`: without a status or a run that
   * would tell how far it has come. Otherwise, and when Postgres knows none or does not answer, undefined.
   */
  newestSlot(scheduleUid: string, blank: boolean, signal: AbortSignal): Promise<Date | undefined>;
};

/** Schedules fire without Postgres too: it is not waited for longer than this, nor asked again before RETRY_MS. */
const DEADLINE_MS = 3_000;
const RETRY_MS = 60_000;

/** One memory for each time of leading: what was looked at before may have been done by another since. */
export function createSlotMemory(
  store: Pick<OperatorStore, 'newestScheduledTime' | 'newestScheduledTimes'>,
  logger: Logger,
): SlotMemory {
  const lookedAt = new Set<string>();
  let all: Promise<ReadonlyMap<string, Date> | undefined> | undefined;
  let retryAt = 0;

  async function readAll(signal: AbortSignal): Promise<ReadonlyMap<string, Date> | undefined> {
    const read = await ask(signal, (deadline) => store.newestScheduledTimes(deadline).catch(emptyBeforeSetUp));
    if (read === undefined) all = undefined;
    return read;
  }

  async function ask<T>(signal: AbortSignal, question: (signal: AbortSignal) => Promise<T>): Promise<T | undefined> {
    try {
      return await withDeadline(DEADLINE_MS, signal, question);
    } catch (error) {
      signal.throwIfAborted();
      retryAt = performance.now() + RETRY_MS;
      logger.warn({ err: error }, 'PostgreSQL cannot tell the last slots; going by the CrawlRuns alone');
      return undefined;
    }
  }

  return {
    async newestSlot(uid, blank, signal) {
      if (performance.now() < retryAt) return undefined;
      if (lookedAt.has(uid))
        return blank ? ask(signal, (deadline) => store.newestScheduledTime(uid, deadline)) : undefined;
      all ??= readAll(signal);
      const known = await all;
      if (known !== undefined) lookedAt.add(uid);
      return known?.get(uid);
    },
  };
}

/** A database that is yet to be set up remembers nothing. */
function emptyBeforeSetUp(error: unknown): ReadonlyMap<string, Date> {
  if (error instanceof StoreError && error.reason === 'SchemaMismatch') return new Map();
  throw error;
}
