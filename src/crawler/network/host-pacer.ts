// Keeps the spacing of requests to a host even when this process is late: after a late request the next one, of this
// worker or another, must not come too soon.
import QuickLRU from 'quick-lru';
import type { Place } from '../../gateway/protocol/worker-store.ts';
import { pause } from '../pause.ts';

/** Hosts whose last request is remembered. */
const MAX_HOSTS = 10_000;
/** The share of the spacing that late requests keep: they catch up, and none comes closer than 0.8 of the spacing. */
const LATE_SPACING = 0.9;
/**
 * The least time that a request gets to be written after it was given its place, as a share of the spacing and in
 * milliseconds. Where the database's clock is hardly known, places alone would be too short to send anything.
 */
const WRITING_SPACING = 0.05;
const WRITING_MS = 2;

/**
 * The farthest that another place may be away, besides two spacings of the run: twice what a crawl delay or a slowed down
 * host may space requests by. Only a host that asked for patience is farther.
 */
const FARTHEST_MS = 2 * 60_000;

/** The host asked for patience after the claim was made: waiting for it would keep a slot from all other hosts. */
export class HostPausedError extends Error {
  override readonly name = 'HostPausedError';
}

export type HostPacer = {
  /**
   * Resolves when the host may be asked: when the place has come or, where it was missed, another one. Rejects with the
   * signal's reason, with the store's error, and with a HostPausedError.
   */
  readonly untilPlace: (host: string, place: Place, signal: AbortSignal) => Promise<void>;
  /** Takes one more place, besides those that came with claims, and resolves when it has come. */
  readonly takePlace: (host: string, signal: AbortSignal) => Promise<void>;
} & LastLook;

/**
 * A name lookup, a handshake or a busy process may take longer than a place lasts. So the place is checked once more
 * right before the request is written, when the connection is open and nothing else has to be waited for.
 */
export type LastLook = {
  /** Whether a place of the host has come and still lasts; if so, this call uses it. */
  readonly maySend: (host: string) => boolean;
  /** After a no: resolves when the next place has come. Rejects as `untilPlace` does. */
  readonly untilNextPlace: (host: string, signal: AbortSignal) => Promise<void>;
};

type Host = {
  /** When the last place was given out, and when the last request was written, by `performance.now()`. */
  givenAt?: number;
  sentAt?: number;
  /** Places that were given out and not used yet; undefined for a host so fast that places have no end. */
  inHand?: readonly Required<Place>[];
};

/** Timers are no finer: waiting for the rest of a shorter spacing would take longer than the spacing. */
const FINEST_SPACING_MS = 1;

/** When to send, in milliseconds of `performance.now()`: as planned, or nearly the spacing after the last send. */
export function dueTime(lastSend: number | undefined, planned: number, spacingMs: number): number {
  return lastSend === undefined || spacingMs < FINEST_SPACING_MS
    ? planned
    : Math.max(planned, lastSend + LATE_SPACING * spacingMs);
}

export function createHostPacer(options: {
  /** Least time between two documents of a host, where a place does not name its own. */
  readonly spacingMs: number;
  readonly reserve: (host: string, signal: AbortSignal) => Promise<Place>;
  /** Called with every wait for a place, in milliseconds: a slow host is no worker that hangs. */
  readonly onWait?: (ms: number) => void;
}): HostPacer {
  const { spacingMs, reserve, onWait } = options;
  const writingMs = Math.max(WRITING_SPACING * spacingMs, WRITING_MS);
  const hosts = new QuickLRU<string, Host>({ maxSize: MAX_HOSTS });

  async function anotherPlace(name: string, signal: AbortSignal): Promise<Place> {
    const place = await reserve(name, signal);
    if (place.from - performance.now() <= FARTHEST_MS + 2 * spacingMs) return place;
    throw new HostPausedError(`${name} is not to be asked for ${Math.round(place.from - performance.now())} ms`);
  }

  async function untilPlace(name: string, first: Place, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    let place = first;
    for (;;) {
      const now = performance.now();
      // Read each time: other pages of this worker may have been sent in the meantime.
      const due = dueTime(lastTime(hosts.get(name)), place.from, place.spacingMs ?? spacingMs);
      if (place.by !== undefined && Math.max(now, due) > place.by) place = await anotherPlace(name, signal);
      else if (due > now) {
        onWait?.(due - now);
        await pause(due - now, signal);
      } else break;
    }
    giveOut(name, place);
  }

  function giveOut(name: string, place: Place): void {
    const { from, by, spacingMs: own = spacingMs } = place;
    const { inHand = [], ...host } = hosts.get(name) ?? {};
    const now = performance.now();
    const places =
      by === undefined
        ? {}
        : {
            inHand: [
              ...inHand.filter((one) => one.by >= now),
              { from, by: Math.max(by, now + writingMs), spacingMs: own },
            ],
          };
    hosts.set(name, { ...host, givenAt: now, ...places });
  }

  return {
    untilPlace,
    takePlace: async (host, signal) => untilPlace(host, await anotherPlace(host, signal), signal),

    maySend(name) {
      const host = hosts.get(name);
      if (host?.inHand === undefined) return true;
      const now = performance.now();
      const [place, ...others] = host.inHand.filter(({ by }) => by >= now);
      if (place === undefined || dueTime(host.sentAt, place.from, place.spacingMs) > now) return false;
      host.inHand = others;
      host.sentAt = now;
      return true;
    },

    async untilNextPlace(name, signal) {
      const host = hosts.get(name);
      const [place, ...others] = host?.inHand ?? [];
      if (host !== undefined) host.inHand = others;
      await untilPlace(name, place ?? (await anotherPlace(name, signal)), signal);
    },
  };
}

function lastTime(host: Host | undefined): number | undefined {
  if (host?.sentAt === undefined || host.givenAt === undefined) return host?.givenAt;
  return Math.max(host.givenAt, host.sentAt);
}
