// Keeps the spacing of sends to a host where this process was late: a late send must not be followed too soon by the
// next one, be it ours or another worker's.
import type { Place } from '../../store/worker-store.ts';
import { pause } from '../pause.ts';

/** Hosts whose last send is kept in mind. */
const MAX_HOSTS = 10_000;
/** How much of the spacing is kept where sends are late: so they catch up, and none comes closer than 0.8 of it. */
const LATE_SPACING = 0.9;

export type HostPacer = {
  /**
   * Resolves when the host may be asked: when the place has come or, where it was missed, another one. Rejects with the
   * signal's reason, and with the store's error.
   */
  readonly untilPlace: (host: string, place: Place, signal: AbortSignal) => Promise<void>;
  /** Takes one more place, besides those that came with claims, and resolves when it has come. */
  readonly takePlace: (host: string, signal: AbortSignal) => Promise<void>;
};

/** When to send, in milliseconds of `performance.now()`: as planned, or nearly the spacing after the last send. */
export function dueTime(lastSend: number | undefined, planned: number, spacingMs: number): number {
  return lastSend === undefined ? planned : Math.max(planned, lastSend + LATE_SPACING * spacingMs);
}

export function createHostPacer(options: {
  /** Least time between two documents of a host. */
  readonly spacingMs: number;
  readonly reserve: (host: string, signal: AbortSignal) => Promise<Place>;
}): HostPacer {
  const { spacingMs, reserve } = options;
  const lastSends = new Map<string, number>();

  async function untilPlace(host: string, first: Place, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    let place = first;
    for (;;) {
      const now = performance.now();
      // Looked up each time: others may have sent meanwhile.
      const due = dueTime(lastSends.get(host), place.from, spacingMs);
      if (place.by !== undefined && Math.max(now, due) > place.by) place = await reserve(host, signal);
      else if (due > now) await pause(due - now, signal);
      else break;
    }
    remember(host, performance.now());
  }

  function remember(host: string, sentAt: number): void {
    lastSends.delete(host);
    lastSends.set(host, sentAt);
    const [oldest] = lastSends.keys();
    if (lastSends.size > MAX_HOSTS && oldest !== undefined) lastSends.delete(oldest);
  }

  return {
    untilPlace,
    takePlace: async (host, signal) => untilPlace(host, await reserve(host, signal), signal),
  };
}
