// Reports spider traps: a line in the log, and a report to the store, from which the operator makes an Event.
import type { WorkerStore } from '../../gateway/protocol/worker-store.ts';
import type { Logger } from '../../telemetry/logger.ts';
import type { Trap } from './spider-traps.ts';

/** Traps that a worker reports; a hostile site could make them up, too. */
const MAX_REPORTED = 100;

export type TrapReports = {
  /** A URL of the trap was left out. Each trap is reported once. */
  readonly noticed: (trap: Trap, url: URL) => void;
  /** Reports what was noticed since the last time. Rejects as the store does; what was not taken is reported the next time. */
  readonly send: (signal: AbortSignal) => Promise<void>;
};

export function createTrapReports(store: Pick<WorkerStore, 'reportTrap'>, log: Logger): TrapReports {
  const known = new Set<string>();
  const unsent: (Trap & { readonly url: string })[] = [];
  return {
    noticed({ kind, pattern }, { href }) {
      if (known.has(pattern) || known.size >= MAX_REPORTED) return;
      known.add(pattern);
      unsent.push({ kind, pattern, url: href });
      log.warn({ trap: kind, pattern, url: href }, 'spider trap: links like this are not followed');
    },
    async send(signal) {
      for (let trap = unsent.shift(); trap !== undefined; trap = unsent.shift()) {
        try {
          await store.reportTrap(trap, signal);
        } catch (error) {
          unsent.unshift(trap);
          throw error;
        }
      }
    },
  };
}
