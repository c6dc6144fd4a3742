// The operator's store on Postgres: a small pool, its calls, and its errors as StoreErrors.
import { Kysely, sql } from 'kysely';
import type { Logger } from '../telemetry/logger.ts';
import { createBatcher } from './batch.ts';
import { createComparisonStore } from './comparisons.ts';
import { createPool, storeError } from './connection.ts';
import { connections } from './connections.ts';
import { createContact } from './contact.ts';
import { contentChange, forgetPages } from './content-change.ts';
import { createDeliveryStore } from './deliveries.ts';
import { createExecutionStore } from './executions.ts';
import { type GatewayLogin, gatewayUrl } from './gateway-login.ts';
import { changeRun } from './live-changes.ts';
import { createLogStore } from './logs.ts';
import { makeLongChanges } from './long-changes.ts';
import { migrate } from './migrate.ts';
import { createNotificationStore } from './notifications.ts';
import { OperatorDialect } from './operator-dialect.ts';
import type { Acceptance, AcceptedRun, OperatorStore, RunSnapshot } from './operator-store.ts';
import type { PoolMetrics } from './pool-metrics.ts';
import { reviewPart } from './queue-review.ts';
import { deadLetters, firstItems } from './results.ts';
import { dropDaysBefore, ensureDay, forgetAudit, forgetLanes } from './retention.ts';
import * as runs from './runs.ts';
import type { Database } from './schema.ts';
import { checkSchemaName } from './schema-name.ts';
import { serverUrl } from './server-login.ts';
import { runMarks, snapshots } from './snapshots.ts';
import { reviewTables } from './table-review.ts';

export type OperatorStoreOptions = GatewayLogin & {
  /** The schema that holds everything; two installs may share a database with one schema each. */
  readonly schema: string;
  /** PEM of the authority that signed the server's certificate, where that is no public one. */
  readonly ca?: string;
  readonly logger: Logger;
  /** How long a statement waits for a lock. */
  readonly lockTimeoutMs?: number;
  /** Most connections of this process. */
  readonly poolSize?: number;
  readonly metrics?: PoolMetrics;
};

const LOCK_TIMEOUT_MS = 30_000;

/** Most runs in one statement. */
const BATCH = 50;

export function createOperatorStore(options: OperatorStoreOptions): OperatorStore {
  const { schema, logger } = options;
  checkSchemaName(schema);
  const pool = createPool({
    databaseUrl: options.databaseUrl,
    ...(options.ca === undefined ? {} : { ca: options.ca }),
    applicationName: 'trawler-operator',
    logger,
    ...(options.metrics === undefined ? {} : { metrics: options.metrics }),
    max: options.poolSize ?? 5,
    sessionSettings: {
      search_path: `${schema},pg_temp`,
      statement_timeout: '60s',
      lock_timeout: `${options.lockTimeoutMs ?? LOCK_TIMEOUT_MS}ms`,
      jit: 'off',
    },
  });
  const db = new Kysely<Database>({ dialect: new OperatorDialect({ pool }) });

  // A batch belongs to no caller: only the end of the store's pool or the statement time-out ends it early.
  const { signal: never } = new AbortController();
  const acceptRun = createBatcher<AcceptedRun, Acceptance>(BATCH, (batch) => runs.acceptRuns(db, batch, never));
  const readSnapshot = createBatcher<string, RunSnapshot | undefined>(BATCH, async (runIds) => {
    const found = await snapshots(db, runIds, never);
    return runIds.map((runId) => found.get(runId));
  });

  const contact = createContact();
  /** Runs a call that gives up with the signal, and turns its errors into StoreErrors. */
  const guarded = async <T>(signal: AbortSignal, call: () => Promise<T>): Promise<T> => {
    signal.throwIfAborted();
    try {
      const result = await call();
      contact.heard();
      return result;
    } catch (error) {
      throw signal.aborted ? signal.reason : storeError(error);
    }
  };

  return {
    migrate: (signal) => guarded(signal, () => migrate({ db, schema, login: options, logger }, signal)),
    makeLongChanges: (signal) => guarded(signal, () => makeLongChanges(db, schema, logger, signal)),
    connections: (signal) => guarded(signal, () => connections(db, signal)),
    ping: (signal) => guarded(signal, async () => void (await sql`select 1`.execute(db, { signal }))),
    gatewayDatabaseUrl: (signal) => guarded(signal, () => gatewayUrl(db, schema, options, signal)),
    serverDatabaseUrl: (signal) => guarded(signal, () => serverUrl(db, schema, options, signal)),
    acceptRun: (run, signal) => guarded(signal, () => acceptRun(run, signal)),
    snapshots: (signal, runIds) => guarded(signal, () => snapshots(db, runIds, signal)),
    snapshot: (runId, signal) => guarded(signal, () => readSnapshot(runId, signal)),
    runMarks: (signal) => guarded(signal, () => runMarks(db, signal)),
    activeRuns: (signal) => guarded(signal, () => runs.activeRuns(db, signal)),
    newestScheduledTimes: (signal) => guarded(signal, () => runs.newestScheduledTimes(db, signal)),
    changeRun: (run, signal) => guarded(signal, () => changeRun(db, run, signal)),
    reviewQueue: (runId, signal) => guarded(signal, () => reviewPart(db, runId, signal)),
    pauseRun: (runId, signal) => guarded(signal, () => runs.pauseRun(db, runId, signal)),
    resumeRun: (runId, signal) => guarded(signal, () => runs.resumeRun(db, runId, signal)),
    requestStop: (runId, reason, signal) => guarded(signal, () => runs.requestStop(db, runId, reason, signal)),
    terminateRun: (runId, signal) => guarded(signal, () => runs.terminateRun(db, runId, signal)),
    closeCrawl: (runId, outcome, message, signal) =>
      guarded(signal, () => runs.closeCrawl(db, runId, outcome, message, signal)),
    finishStopped: (runId, outcome, message, signal) =>
      guarded(signal, () => runs.finishStopped(db, runId, outcome, message, signal)),
    releaseWorker: (runId, workerId, signal) => guarded(signal, () => runs.releaseWorker(db, runId, workerId, signal)),
    stallWorker: (runId, workerId, silentMs, signal) =>
      guarded(signal, () => runs.stallWorker(db, runId, workerId, silentMs, signal)),
    reapExpired: (signal) => guarded(signal, () => runs.reapExpired(db, contact.steadyMs(), signal)),
    revokeToken: (runId, signal) => guarded(signal, () => runs.revokeToken(db, runId, signal)),
    contentChange: (runId, signal) => guarded(signal, () => contentChange(db, runId, signal)),
    forgetPages: (runId, signal) => guarded(signal, () => forgetPages(db, runId, signal)),
    firstItems: (runId, limit, signal) => guarded(signal, () => firstItems(db, runId, limit, signal)),
    deadLetters: (runId, limit, signal) => guarded(signal, () => deadLetters(db, runId, limit, signal)),
    ensureDay: (day, signal) => guarded(signal, () => ensureDay(db, day, signal)),
    dropDaysBefore: (firstKept, kept, signal, onDropped) =>
      guarded(signal, () => dropDaysBefore(db, firstKept, kept, signal, onDropped)),
    forgetLanes: (signal) => guarded(signal, () => forgetLanes(db, signal)),
    forgetAudit: (firstKept, signal) => guarded(signal, () => forgetAudit(db, firstKept, signal)),
    reviewTables: (signal) => guarded(signal, () => reviewTables(db, signal)),
    executions: createExecutionStore(db, guarded),
    comparisons: createComparisonStore(db, guarded),
    logs: createLogStore(db, guarded),
    notifications: createNotificationStore(db, guarded),
    deliveries: createDeliveryStore(db, guarded),
    close: async () => {
      await db.destroy();
      if (!pool.ended) await pool.end();
    },
  };
}
