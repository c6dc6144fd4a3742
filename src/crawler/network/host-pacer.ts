// Keeps the spacing of sends to a host where this process was late: a late send must not be followed too soon by the
// next one, be it ours or another worker's.
import QuickLRU from 'quick-lru';
import type { Place } from '../../store/worker-store.ts';
import { pause } from '../pause.ts';

/** Hosts whose last send is kept in mind. */
const MAX_HOSTS = 10_000;
/** How much of the spacing is kept where sends are late: so they catch up, and none comes closer than 0.8 of it. */
const LATE_SPACING = 0.9;
/**
 * What a request gets at least to be written once it was given its place in time, as a share of the spacing and in
 * milliseconds: where the database's clock is known badly places are so short that nothing might ever be sent.
 */
const WRITING_SPACING = 0.05;
const WRITING_MS = 2;

export type HostPacer = {
  /**
   * Resolves when the host may be asked: when the place has come or, where it was missed, another one. Rejects with the
   * signal's reason, and with the store's error.
   */
  readonly untilPlace: (host: string, place: Place, signal: AbortSignal) => Promise<void>;
  /** Takes one more place, besides those that came with claims, and resolves when it has come. */
  readonly takePlace: (host: string, signal: AbortSignal) => Promise<void>;
} & LastLook;

/**
 * Looking up a name, a handshake or a busy process may take longer than a place is good for. So the question is asked
 * once more at the moment of writing to the host, when the connection is there and nothing is left to be waited for.
 */
export type LastLook = {
  /** Whether the host may be asked right now, by any place that has come and is still good; it is used up by a yes. */
  readonly maySend: (host: string) => boolean;
  /** After a no: resolves when there is a place again. Rejects as `untilPlace` does. */
  readonly untilNextPlace: (host: string, signal: AbortSignal) => Promise<void>;
};

type Host = {
  /** When the last place was given out, and when the last request was written, by `performance.now()`. */
  givenAt?: number;
  sentAt?: number;
  /** Places that were given out and not used yet; undefined for a host so fast that places have no end. */
  inHand?: readonly Required<Place>[];
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
  const writingMs = Math.max(WRITING_SPACING * spacingMs, WRITING_MS);
  const hosts = new QuickLRU<string, Host>({ maxSize: MAX_HOSTS });

  async function untilPlace(name: string, first: Place, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    let place = first;
    for (;;) {
      const now = performance.now();
      // Looked up each time: others may have sent meanwhile.
      const due = dueTime(lastTime(hosts.get(name)), place.from, spacingMs);
      if (place.by !== undefined && Math.max(now, due) > place.by) place = await reserve(name, signal);
      else if (due > now) await pause(due - now, signal);
      else break;
    }
    giveOut(name, place);
  }

  function giveOut(name: string, { from, by }: Place): void {
    const { inHand = [], ...host } = hosts.get(name) ?? {};
    const now = performance.now();
    const places =
      by === undefined
        ? {}
        : { inHand: [...inHand.filter((one) => one.by >= now), { from, by: Math.max(by, now + writingMs) }] };
    hosts.set(name, { ...host, givenAt: now, ...places });
  }

  return {
    untilPlace,
    takePlace: async (host, signal) => untilPlace(host, await reserve(host, signal), signal),

    maySend(name) {
      const host = hosts.get(name);
      if (host?.inHand === undefined) return true;
      const now = performance.now();
      const [place, ...others] = host.inHand.filter(({ by }) => by >= now);
      if (place === undefined || dueTime(host.sentAt, place.from, spacingMs) > now) return false;
      host.inHand = others;
      host.sentAt = now;
      return true;
    },

    async untilNextPlace(name, signal) {
      const host = hosts.get(name);
      const [place, ...others] = host?.inHand ?? [];
      if (host !== undefined) host.inHand = others;
      await untilPlace(name, place ?? (await reserve(name, signal)), signal);
    },
  };
}

function lastTime(host: Host | undefined): number | undefined {
  if (host?.sentAt === undefined || host.givenAt === undefined) return host?.givenAt;
  return Math.max(host.givenAt, host.sentAt);
}
