// For how long a process has been in touch with the database: who was not cannot tell a lost worker from a lost database.

/** Answers that are farther apart are a break, in milliseconds: twice the time between two sweeps. */
const LONGEST_GAP_MS = 60_000;

export type Contact = {
  /** An answer has come. */
  heard(): void;
  /** For how long answers have come without a break, in milliseconds. */
  steadyMs(): number;
};

/** `now` is a monotonic clock in milliseconds. */
export function createContact(now: () => number = () => performance.now()): Contact {
  let since = Number.POSITIVE_INFINITY;
  let last = Number.NEGATIVE_INFINITY;
  return {
    heard() {
      const at = now();
      if (at - last > LONGEST_GAP_MS) since = at;
      last = at;
    },
    steadyMs: () => (now() - last > LONGEST_GAP_MS ? 0 : now() - since),
  };
}
