// How long to wait after the nth failure in a row.

export interface Backoff {
  /** The longest wait after the first failure. */
  baseMs: number;
  /** The wait stops growing here. */
  maxMs: number;
}

/**
 * Doubles with each failure (the first is 1), up to maxMs. The result is between half of that and all of it,
 * so that clients that failed together do not come back together.
 */
export function backoffMs(failures: number, { baseMs, maxMs }: Backoff, random: () => number = Math.random): number {
  const ceiling = Math.min(maxMs, baseMs * 2 ** (failures - 1));
  return ceiling * (0.5 + random() / 2);
}
