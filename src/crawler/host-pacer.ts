// Keeps the spacing of sends to a host where the event loop was late: a claim's place says when to send, and a late
// send must not be followed too soon by the next, which is on time.
import { pause } from './pause.ts';

/** Hosts whose last send is kept in mind. */
const MAX_HOSTS = 10_000;

/** All times in milliseconds of `performance.now()`. */
type Send = { readonly planned: number; readonly sent: number };

export type HostPacer = {
  /** Resolves when the place on the host has come; rejects with the signal's reason. */
  readonly untilPlace: (host: string, planned: number, signal: AbortSignal) => Promise<void>;
};

/**
 * When to send: as planned, or as long after the last send as was planned between the two. That is no more than the
 * host's spacing, so that a worker which is behind catches up where the host allows it.
 */
export function dueTime(last: Send | undefined, planned: number, spacingMs: number): number {
  if (last === undefined) return planned;
  const gap = Math.min(Math.max(planned - last.planned, 0), spacingMs);
  return Math.max(planned, last.sent + gap);
}

/** @param spacingMs least time between two documents of a host */
export function createHostPacer(spacingMs: number): HostPacer {
  const lastSends = new Map<string, Send>();

  return {
    async untilPlace(host, planned, signal) {
      signal.throwIfAborted();
      for (let wait = dueTime(lastSends.get(host), planned, spacingMs) - performance.now(); wait > 0; ) {
        await pause(wait, signal);
        // Others may have sent meanwhile.
        wait = dueTime(lastSends.get(host), planned, spacingMs) - performance.now();
      }
      lastSends.delete(host);
      lastSends.set(host, { planned, sent: performance.now() });
      const [oldest] = lastSends.keys();
      if (lastSends.size > MAX_HOSTS && oldest !== undefined) lastSends.delete(oldest);
    },
  };
}
