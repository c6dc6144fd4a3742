// How long a failed page waits for its next try.

const FIRST_DELAY_MS = 1_000;
const MAX_DELAY_MS = 5 * 60_000;
/** What a host may ask for by Retry-After; more is taken as this. */
const MAX_RETRY_AFTER_MS = 60 * 60_000;

/**
 * Milliseconds before try `attempt + 1`: doubling from one second up to five minutes, of which a random half is left
 * out, so that pages which failed together do not come back together.
 */
export function backOffMs(attempt: number, random: () => number = Math.random): number {
  const full = Math.min(FIRST_DELAY_MS * 2 ** (attempt - 1), MAX_DELAY_MS);
  return Math.round(full * (0.5 + random() / 2));
}

/** Milliseconds that a Retry-After header asks for, in seconds or as a date; undefined when it says neither. */
export function retryAfterMs(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined;
  const text = header.trim();
  const delay = /^\d+$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - now;
  if (Number.isNaN(delay)) return undefined;
  return Math.min(Math.max(delay, 0), MAX_RETRY_AFTER_MS);
}
