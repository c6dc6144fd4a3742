// Writes outcomes to the store: whatever has gathered while one commit was under way goes into the next, so that
// commits are as large as the database is slow, and no result ever waits for company.
import type { Outcome, WorkerStore } from '../store/worker-store.ts';

/** Outcomes in one transaction. */
const MAX_BATCH = 500;

export type Committer = {
  readonly add: (outcome: Outcome) => void;
  /** Outcomes that are not in the database yet. */
  readonly pending: () => number;
  /** Resolves when nothing is pending; rejects with the error that made commits impossible. */
  readonly drained: () => Promise<void>;
};

export function createCommitter(options: {
  readonly store: Pick<WorkerStore, 'commit'>;
  /** Ends the wait for a database that does not answer. */
  readonly signal: AbortSignal;
  /** @param kept the ids of those that were still ours */
  readonly onCommitted: (outcomes: readonly Outcome[], kept: ReadonlySet<string>) => void;
  /** Called once, with the error that no further try can help against. */
  readonly onFailed: (error: unknown) => void;
}): Committer {
  const buffer: Outcome[] = [];
  let writing: Promise<void> | undefined;
  let pending = 0;

  async function writeAll(): Promise<void> {
    while (buffer.length > 0) {
      const batch = buffer.splice(0, MAX_BATCH);
      const kept = await options.store.commit(batch, options.signal);
      pending -= batch.length;
      options.onCommitted(batch, kept);
    }
    writing = undefined;
  }

  return {
    add(outcome) {
      buffer.push(outcome);
      pending++;
      if (writing !== undefined) return;
      writing = writeAll();
      // Also reported by `drained`; here, so that the crawl stops at once.
      writing.catch(options.onFailed);
    },
    pending: () => pending,
    drained: async () => writing,
  };
}
