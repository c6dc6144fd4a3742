// What people are told of spider traps: a line in the log, and a report from which the operator makes an Event.
import type { WorkerStore } from '../../store/worker-store.ts';
import type { Logger } from '../../telemetry/logger.ts';
import type { Trap } from './spider-traps.ts';

/** Traps that a worker tells of; a hostile site could make them up, too. */
const MAX_TOLD = 100;

export type TrapReports = {
  /** A URL of the trap was left out. Each trap is told of once. */
  readonly noticed: (trap: Trap, url: URL) => void;
  /** Reports what was noticed since the last time. Rejects as the store does. */
  readonly send: (signal: AbortSignal) => Promise<void>;
};

export function createTrapReports(store: Pick<WorkerStore, 'reportTrap'>, log: Logger): TrapReports {
  const told = new Set<string>();
  const unsent: (Trap & { readonly url: string })[] = [];
  return {
    noticed({ kind, pattern }, { href }) {
      if (told.has(pattern) || told.size >= MAX_TOLD) return;
      told.add(pattern);
      unsent.push({ kind, pattern, url: href });
      log.warn({ trap: kind, pattern, url: href }, 'spider trap: links like this are not followed');
    },
    async send(signal) {
      for (let trap = unsent.shift(); trap !== undefined; trap = unsent.shift()) await store.reportTrap(trap, signal);
    },
  };
}
