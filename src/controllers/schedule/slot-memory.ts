// How far each schedule has come, as Postgres and this process remember it: what neither a wiped status, pruned runs nor
// an API server that lags behind can make this process forget.

import { StoreError } from '../../gateway/protocol/store-error.ts';
import { withDeadline } from '../../kube/delay.ts';
import type { OperatorStore } from '../../store/operator-store.ts';
import type { Logger } from '../../telemetry/logger.ts';

export type SlotMemory = {
  /** The instant up to which every slot is dealt with, as far as anybody remembers. */
  cursor(scheduleUid: string, signal: AbortSignal): Promise<Date>;
  /** No slot up to this instant is to be dealt with again: it has its run, or never will. */
  remember(scheduleUid: string, instant: Date): void;
  /** The schedule is gone for good. */
  forget(scheduleUid: string): void;
};

/** Schedules fire without Postgres too: it is not waited for longer than this, nor asked again before RETRY_MS. */
const DEADLINE_MS = 3_000;
const RETRY_MS = 60_000;
const NEVER = new Date(0);

/** One memory for each time of leading: what was remembered before may have been overtaken by another since. */
export function createSlotMemory(store: Pick<OperatorStore, 'newestScheduledTimes'>, logger: Logger): SlotMemory {
  const cursors = new Map<string, Date>();
  let read: Promise<void> | undefined;
  let retryAt = 0;

  /** Asks Postgres once for all schedules; while it is away, again from time to time. */
  async function readOnce(signal: AbortSignal): Promise<void> {
    try {
      const times = await withDeadline(DEADLINE_MS, signal, (deadline) =>
        store.newestScheduledTimes(deadline).catch(emptyBeforeSetUp),
      );
      for (const [uid, slot] of times) remember(uid, slot);
    } catch (error) {
      read = undefined;
      signal.throwIfAborted();
      retryAt = performance.now() + RETRY_MS;
      logger.warn({ err: error }, 'PostgreSQL cannot tell the last slots; going by the CrawlRuns alone');
    }
  }

  function remember(uid: string, instant: Date): void {
    if (instant > (cursors.get(uid) ?? NEVER)) cursors.set(uid, instant);
  }

  return {
    async cursor(uid, signal) {
      if (read === undefined && performance.now() >= retryAt) read = readOnce(signal);
      await read;
      return cursors.get(uid) ?? NEVER;
    },
    remember,
    forget: (uid) => void cursors.delete(uid),
  };
}

/** A database that is yet to be set up remembers nothing. */
function emptyBeforeSetUp(error: unknown): ReadonlyMap<string, Date> {
  if (error instanceof StoreError && error.reason === 'SchemaMismatch') return new Map();
  throw error;
}
