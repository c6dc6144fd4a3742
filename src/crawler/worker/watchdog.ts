// Notices a worker that hangs. It counts its own ticks instead of reading a clock, so that a process which was paused
// as a whole (SIGSTOP, a suspended machine) is not taken for one that hangs.
import type { WorkerStatus } from './heartbeat-messages.ts';

export type Watchdog = {
  readonly report: (status: WorkerStatus) => void;
  /** To be called every `tickMs`; the reason to end the process, or undefined. */
  readonly tick: () => string | undefined;
};

/** How long the main thread may be blocked, in milliseconds. Parsing the largest page takes a few seconds. */
const BLOCKED_MS = 60_000;

export function createWatchdog(options: { readonly tickMs: number; readonly stallMs: number }): Watchdog {
  const { tickMs, stallMs } = options;
  let last: WorkerStatus | undefined;
  let silentTicks = 0;
  let idleTicks = 0;

  return {
    report(status) {
      silentTicks = 0;
      if (status.pagesInFlight === 0 || status.progress !== last?.progress) idleTicks = 0;
      last = status;
    },
    tick() {
      silentTicks++;
      idleTicks++;
      if (silentTicks * tickMs > BLOCKED_MS) return `the main thread has been blocked for ${BLOCKED_MS / 1_000} s`;
      if (idleTicks * tickMs <= stallMs) return undefined;
      const at = last?.currentUrl === undefined ? '' : `, last at ${last.currentUrl}`;
      return `${last?.pagesInFlight ?? 0} pages are open without progress for ${stallMs / 1_000} s${at}`;
    },
  };
}
