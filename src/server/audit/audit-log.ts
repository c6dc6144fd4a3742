// Entries on their way to PostgreSQL: written in their order, again and again while it is away. Every one of them is in the log as well.
import { StoreError } from '../../gateway/protocol/store-error.ts';
import { delay } from '../../kube/delay.ts';
import type { AuditEntry, AuditStore } from '../../store/audit-store.ts';
import type { Logger } from '../../telemetry/logger.ts';

export type AuditLog = {
  write(entry: AuditEntry): void;
  /** Writes what is left, within so many milliseconds. */
  close(withinMs: number): Promise<void>;
};

type AuditLogOptions = {
  readonly store: Pick<AuditStore, 'writeAudit'>;
  readonly logger: Logger;
  readonly retryMs?: number;
};

/** Entries of one call. */
const PART = 100;
/** Entries that wait: a day without PostgreSQL at ten changes a minute. */
const MOST_WAITING = 15_000;
const RETRY_MS = 2_000;
const WRITE_TIMEOUT_MS = 10_000;

export function createAuditLog({ store, logger, retryMs = RETRY_MS }: AuditLogOptions): AuditLog {
  const waiting: AuditEntry[] = [];
  const ending = new AbortController();
  let writing: Promise<void> | undefined;

  async function writeAll(): Promise<void> {
    while (waiting.length > 0 && !ending.signal.aborted) {
      const part = waiting.slice(0, PART);
      const signal = AbortSignal.any([ending.signal, AbortSignal.timeout(WRITE_TIMEOUT_MS)]);
      const error = await store.writeAudit(part, signal).then(
        () => undefined,
        (reason: unknown) => reason,
      );
      const isRefused = error instanceof StoreError && error.reason === 'Refused';
      // What is refused once is refused for ever, and holds up what comes after it.
      if (isRefused) logger.error({ err: error, entries: part }, 'audit entries were refused by PostgreSQL');
      if (error === undefined || isRefused) {
        waiting.splice(0, part.length);
      } else {
        logger.warn({ err: error, waiting: waiting.length }, 'audit entries wait for PostgreSQL');
        await delay(retryMs, ending.signal).catch(() => undefined);
      }
    }
  }

  function start(): void {
    writing ??= writeAll().finally(() => {
      writing = undefined;
      if (waiting.length > 0 && !ending.signal.aborted) start();
    });
  }

  return {
    write(entry) {
      if (waiting.length >= MOST_WAITING) {
        logger.error({ entry }, 'audit entry dropped: too many wait for PostgreSQL');
        return;
      }
      waiting.push(entry);
      start();
    },
    async close(withinMs) {
      const timer = setTimeout(() => ending.abort(new Error('the server ends')), withinMs);
      await writing;
      clearTimeout(timer);
      for (const entry of waiting) logger.error({ entry }, 'audit entry not written: the server ends');
    },
  };
}
