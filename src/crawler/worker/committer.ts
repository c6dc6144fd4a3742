// Writes outcomes to the store in batches. Outcomes gather for 100 ms, or while a commit is under way, unless the loop
// waits for the links that they bring.
import type { Outcome, WorkerStore } from '../../gateway/protocol/worker-store.ts';

/** Outcomes in one transaction. */
const MAX_BATCH = 500;
/** How long the first outcome waits for others: fewer commits leave more processor time to the browser. */
const GATHER_MS = 100;

export type Committer = {
  readonly add: (outcome: Outcome) => void;
  /** Writes what there is without waiting for more. */
  readonly hurry: () => void;
  /** Outcomes that are not in the database yet. */
  readonly pending: () => number;
  /** Writes everything and resolves when nothing is pending; rejects with the error that made commits impossible. */
  readonly drained: () => Promise<void>;
};

export function createCommitter(options: {
  readonly store: Pick<WorkerStore, 'commit'>;
  /** A batch of this size is written at once: uncommitted pages of a worker that dies have to be fetched again. */
  readonly enough: () => number;
  /** Ends the wait for a database that does not answer. */
  readonly signal: AbortSignal;
  /** @param kept the ids of those that were still ours */
  readonly onCommitted: (outcomes: readonly Outcome[], kept: ReadonlySet<string>) => void;
  /** Called once, with an error that no further try can mend. */
  readonly onFailed: (error: unknown) => void;
}): Committer {
  const buffer: Outcome[] = [];
  let gathering: NodeJS.Timeout | undefined;
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

  function hurry(): void {
    clearTimeout(gathering);
    gathering = undefined;
    if (writing !== undefined || buffer.length === 0) return;
    writing = writeAll();
    // `drained` rejects with it as well; reporting it here stops the crawl at once.
    writing.catch(options.onFailed);
  }

  return {
    add(outcome) {
      buffer.push(outcome);
      pending++;
      if (buffer.length >= options.enough()) hurry();
      else if (writing === undefined) gathering ??= setTimeout(hurry, GATHER_MS);
    },
    hurry,
    pending: () => pending,
    async drained() {
      hurry();
      await writing;
    },
  };
}
