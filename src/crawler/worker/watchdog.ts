// Notices a worker that hangs. It counts its own ticks instead of reading a clock, so that a process which was paused
// as a whole (SIGSTOP, a suspended machine) is not taken for one that hangs.
import type { WorkerStatus } from './heartbeat-messages.ts';

/** `Blocked`: the main thread says nothing any more. `Idle`: it does, and finishes nothing. For so many milliseconds. */
export type Stall = { readonly kind: 'Blocked' | 'Idle'; readonly ms: number };

export type Watchdog = {
  readonly report: (status: WorkerStatus) => void;
  /** To be called every `tickMs`; why the process has to be ended, or undefined. */
  readonly tick: () => Stall | undefined;
};

/** How long the main thread may be blocked at most, in milliseconds. Parsing the largest page takes a few seconds. */
const BLOCKED_MS = 60_000;

export function createWatchdog(options: { readonly tickMs: number; readonly stallMs: number }): Watchdog {
  const { tickMs, stallMs } = options;
  const blockedMs = Math.min(BLOCKED_MS, stallMs);
  let last: WorkerStatus | undefined;
  let silentTicks = 0;
  let idleTicks = 0;

  return {
    report(status) {
      silentTicks = 0;
      if (!hasWork(status) || status.waitMs > 0 || status.progress !== last?.progress) idleTicks = 0;
      last = status;
    },
    tick() {
      silentTicks++;
      idleTicks++;
      if (silentTicks * tickMs > blockedMs) return { kind: 'Blocked', ms: blockedMs };
      return idleTicks * tickMs > stallMs ? { kind: 'Idle', ms: stallMs } : undefined;
    },
  };
}

/** Whether something is open that has to come to an end. */
function hasWork({ pagesInFlight, state }: WorkerStatus): boolean {
  return pagesInFlight > 0 || state === 'Writing';
}
