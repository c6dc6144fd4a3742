// Brings the database up to date before it is first used, again after each failure, and once a day: logins are renewed.
import type { OperatorStore } from '../store/operator-store.ts';

const REPEAT_MS = 24 * 3_600_000;

/** A function that migrates once a day in this process; concurrent callers share one attempt. */
export function databasePreparation(store: OperatorStore, signal: AbortSignal): () => Promise<void> {
  let attempt: Promise<void> | undefined;
  let madeAt = 0;
  return () => {
    if (performance.now() - madeAt > REPEAT_MS) attempt = undefined;
    if (attempt === undefined) madeAt = performance.now();
    attempt ??= store.migrate(signal).catch((error: unknown) => {
      attempt = undefined;
      throw error;
    });
    return attempt;
  };
}
