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

export function createHostPacer(): HostPacer {
  const lastSends = new Map<string, Send>();

  /** When to send so that the gap to the last send is as long as it was planned to be. */
  function dueTime(host: string, planned: number): number {
    const last = lastSends.get(host);
    return last === undefined || planned < last.planned
      ? planned
      : Math.max(planned, last.sent + planned - last.planned);
  }

  return {
    async untilPlace(host, planned, signal) {
      signal.throwIfAborted();
      for (let wait = dueTime(host, planned) - performance.now(); wait > 0; ) {
        await pause(wait, signal);
        // Others may have sent meanwhile.
        wait = dueTime(host, planned) - performance.now();
      }
      lastSends.delete(host);
      lastSends.set(host, { planned, sent: performance.now() });
      const [oldest] = lastSends.keys();
      if (lastSends.size > MAX_HOSTS && oldest !== undefined) lastSends.delete(oldest);
    },
  };
}
