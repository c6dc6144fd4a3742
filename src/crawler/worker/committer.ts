// Writes outcomes to the store, many at a time: they gather for a moment, or while a commit is under way, unless
// somebody waits for what they bring.
import type { Outcome, WorkerStore } from '../../store/worker-store.ts';

/** Outcomes in one transaction. */
const MAX_BATCH = 500;
/** How long the first outcome waits for company: the fewer commits, the more of the processors is the browser's. */
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
  /** So many outcomes wait for no more: those of a worker that dies have to be fetched again. */
  readonly enough: () => number;
  /** Ends the wait for a database that does not answer. */
  readonly signal: AbortSignal;
  /** @param kept the ids of those that were still ours */
  readonly onCommitted: (outcomes: readonly Outcome[], kept: ReadonlySet<string>) => void;
  /** Called once, with the error that no further try can help against. */
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
    // Also reported by `drained`; here, so that the crawl stops at once.
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
