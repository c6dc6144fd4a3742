// When a schedule is due, whether it is written as a cron expression or as an interval.

/** A sequence of slots: instants in whole seconds. */
export type Timetable = {
  /** The first slot after the instant; undefined when there is none. */
  next(after: Date): Date | undefined;
  /** The last slot at or before the instant; undefined when there is none. */
  latest(atOrBefore: Date): Date | undefined;
};

/** Slots every `intervalMs` (at least one second) after the anchor, which is itself none. */
export function intervalTimetable(intervalMs: number, anchor: Date): Timetable {
  const start = Math.floor(anchor.getTime() / 1_000) * 1_000;
  const slot = (count: number) => new Date(start + count * intervalMs);
  return {
    next: (after) => slot(Math.max(1, Math.floor((after.getTime() - start) / intervalMs) + 1)),
    latest: (atOrBefore) => {
      const count = Math.floor((atOrBefore.getTime() - start) / intervalMs);
      return count < 1 ? undefined : slot(count);
    },
  };
}
