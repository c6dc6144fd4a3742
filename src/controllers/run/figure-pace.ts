// When the figures of a run may be written to its status: those of one run every two seconds, and those of all runs
// together so many a second, in the order in which they had something to say. The API server is shared.

/** Between two writes of one run's figures. */
export const FIGURES_INTERVAL_MS = 2_000;
/** Of all runs together. */
const WRITES_PER_SECOND = 48;
const SPACING_MS = 1_000 / WRITES_PER_SECOND;
/** So many go out at once after a time with few of them. */
const BURST = 20;

export type FigurePace = {
  /**
   * Milliseconds until the figures of this run may be written. It has a place in line from then on, which it keeps until
   * they were.
   * @param uid of the run
   * @param now a time that never goes back, in milliseconds
   */
  wait(uid: string, now: number): number;
  /** Something was written to the status of the run, or nothing had to be. */
  settle(uid: string, now: number, isWritten: boolean): void;
  /** The run is gone. */
  forget(uid: string): void;
};

export function createFigurePace(): FigurePace {
  /** By UID of the run. */
  const writtenAt = new Map<string, number>();
  const places = new Map<string, number>();
  let nextPlace = Number.NEGATIVE_INFINITY;
  return {
    wait(uid, now) {
      const place = places.get(uid);
      if (place !== undefined) return Math.max(0, place - now);
      const early = (writtenAt.get(uid) ?? Number.NEGATIVE_INFINITY) + FIGURES_INTERVAL_MS - now;
      if (early > 0) return early;
      const found = Math.max(nextPlace, now - BURST * SPACING_MS);
      nextPlace = found + SPACING_MS;
      places.set(uid, found);
      return Math.max(0, found - now);
    },
    settle(uid, now, isWritten) {
      places.delete(uid);
      if (isWritten) writtenAt.set(uid, now);
    },
    forget(uid) {
      places.delete(uid);
      writtenAt.delete(uid);
    },
  };
}
