// Brings the database up to date before it is first used, again after each failure, and never while it is done.
import type { OperatorStore } from '../store/operator-store.ts';

/** A function that migrates once for this process; concurrent callers share one attempt. */
export function databasePreparation(store: OperatorStore, signal: AbortSignal): () => Promise<void> {
  let attempt: Promise<void> | undefined;
  return () => {
    attempt ??= store.migrate(signal).catch((error: unknown) => {
      attempt = undefined;
      throw error;
    });
    return attempt;
  };
}
