// Brings the database up to date: before it is first used, once a day (a login that somebody
// dropped is made again), and whenever it turns out
// not to be as it was left. A database to try Trawler out with loses everything with its pod.

import { StoreError } from '../gateway/protocol/store-error.ts';
import { type Backoff, backoffMs } from '../kube/backoff.ts';
import type { OperatorStore } from '../store/operator-store.ts';
import type { Logger } from '../telemetry/logger.ts';

export type PreparedDatabase = {
  /** Resolves when the database is up to date. After a failure it rejects with that until another try is due. */
  ready(): Promise<void>;
  /** Takes what a call failed with: after a missing table or login the database is prepared again. */
  reportFailure(error: unknown): void;
};

export type DatabasePreparationOptions = {
  readonly store: Pick<OperatorStore, 'migrate'>;
  /** Off: the database is prepared by somebody else. */
  readonly migrate: boolean;
  /** Called when the tables were gone and have been made again. */
  readonly onEmptied: () => void;
  readonly logger: Logger;
  readonly signal: AbortSignal;
};

/** When to look again at what waits for the database. */
export const DATABASE_RETRY_MS = 5_000;

const REPEAT_MS = 24 * 3_600_000;
const RETRY: Backoff = { baseMs: 500, maxMs: 10_000 };
/** Trouble that comes after so long without any is the first again. */
const FORGET_TROUBLE_MS = 10 * 60_000;
/** Tables, functions or logins are not there. */
const SIGNS_OF_LOSS: readonly string[] = ['SchemaMismatch', 'LoginRefused'];

type Trouble = { readonly error: unknown; readonly count: number; readonly at: number; readonly retryAt: number };

/** Concurrent callers share one attempt. */
export function createDatabasePreparation(options: DatabasePreparationOptions): PreparedDatabase {
  const { store, migrate, onEmptied, logger, signal } = options;
  let attempt: Promise<void> | undefined;
  let isPreparing = false;
  let preparedAt: number | undefined;
  let trouble: Trouble | undefined;

  async function prepare(): Promise<void> {
    isPreparing = true;
    try {
      const migrations = migrate ? await store.migrate(signal) : [];
      if (preparedAt !== undefined && migrations.length > 0) {
        logger.warn({ migrations }, 'database was found empty: its tables were made again, what they held is lost');
        onEmptied();
      }
      preparedAt = performance.now();
    } catch (error) {
      again(error);
      throw error;
    } finally {
      isPreparing = false;
    }
  }

  function again(error: unknown): void {
    attempt = undefined;
    const at = performance.now();
    const count = trouble === undefined || at - trouble.at > FORGET_TROUBLE_MS ? 1 : trouble.count + 1;
    trouble = { error, count, at, retryAt: at + backoffMs(count, RETRY) };
  }

  return {
    async ready() {
      const now = performance.now();
      if (attempt === undefined && trouble !== undefined && now < trouble.retryAt) throw trouble.error;
      if (!isPreparing && preparedAt !== undefined && now - preparedAt > REPEAT_MS) attempt = undefined;
      attempt ??= prepare();
      await attempt;
    },
    reportFailure(error) {
      if (!migrate || isPreparing || attempt === undefined) return;
      if (!(error instanceof StoreError) || !SIGNS_OF_LOSS.includes(error.reason)) return;
      logger.warn({ reason: error.reason, err: error }, 'database is not as it was left: preparing it again');
      again(error);
    },
  };
}
