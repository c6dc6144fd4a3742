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

/** Slots at the given instants, which are known only once they have come: none lies ahead. */
export function pastTimetable(instants: readonly Date[]): Timetable {
  const slots = instants.map((instant) => Math.floor(instant.getTime() / 1_000) * 1_000).sort((a, b) => a - b);
  const found = (slot: number | undefined) => (slot === undefined ? undefined : new Date(slot));
  return {
    next: (after) => found(slots.find((slot) => slot > after.getTime())),
    latest: (atOrBefore) => found(slots.findLast((slot) => slot <= atOrBefore.getTime())),
  };
}
