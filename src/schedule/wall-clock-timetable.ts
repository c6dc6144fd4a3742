// From readings of a wall clock to slots: what a time zone's changes do to a schedule.
import type { TimeZone, ZonePeriod } from './time-zone.ts';
import type { Timetable } from './timetable.ts';

/** Readings of a wall clock that a schedule names: milliseconds in whole seconds, as if the clock showed UTC. */
export type WallClockPattern = {
  /** The first after the given reading; undefined when there is none. */
  next(after: number): number | undefined;
  /** The last at or before the given reading; undefined when there is none. */
  latest(atOrBefore: number): number | undefined;
};

/** No clock shows a reading earlier or later than this around the same reading in UTC. */
const FARTHEST_FROM_UTC_MS = 2 * 86_400_000;

/**
 * The slots at which the clock of the zone shows a reading of the pattern. With `onceEach` every reading is due exactly
 * once: at the end of the gap when the clock jumps over it, and the first time only when the clock shows it twice.
 * Without, slots are just as often as the clock shows a reading of the pattern: not in a gap, and twice in an overlap.
 */
export function wallClockTimetable(pattern: WallClockPattern, zone: TimeZone, onceEach: boolean): Timetable {
  return {
    next: (after) => toDate(next(wholeSecond(after))),
    latest: (atOrBefore) => toDate(latest(wholeSecond(atOrBefore))),
  };

  function next(after: number): number | undefined {
    let from = after;
    let period = zone.periodAt(from);
    for (;;) {
      const reading = pattern.next(from + period.offset);
      if (reading === undefined) return undefined;
      const slot = reading - period.offset;
      const repeated = slot < period.end ? endOfRepetition(period) : undefined;
      if (slot >= period.end) {
        const following = zone.periodAt(period.end);
        // The pattern's next reading is one that the clock jumps over.
        if (onceEach && reading < period.end + following.offset) return period.end;
        // Earlier readings than that come back only when the clock is put back.
        const isPutBack = following.offset < period.offset;
        from = (isPutBack ? period.end : Math.max(period.end, reading - FARTHEST_FROM_UTC_MS)) - 1_000;
        period = zone.periodAt(from + 1_000);
      } else if (repeated !== undefined && slot < repeated) {
        from = repeated - 1_000;
      } else {
        return slot;
      }
    }
  }

  function latest(atOrBefore: number): number | undefined {
    let upTo = atOrBefore;
    for (;;) {
      const period = zone.periodAt(upTo);
      const reading = pattern.latest(upTo + period.offset);
      if (reading === undefined) return undefined;
      const slot = reading - period.offset;
      if (slot >= (endOfRepetition(period) ?? period.start)) return slot;
      const previous = zone.periodAt(period.start - 1_000);
      const lastJumpedOver = pattern.latest(period.start + period.offset - 1_000);
      if (onceEach && lastJumpedOver !== undefined && lastJumpedOver >= period.start + previous.offset) {
        return period.start;
      }
      const isPutBack = previous.offset > period.offset;
      upTo = isPutBack ? period.start - 1_000 : Math.min(period.start - 1_000, reading + FARTHEST_FROM_UTC_MS);
    }
  }

  /** Until when the clock shows again, in this period, what it has shown before; undefined when that does not count. */
  function endOfRepetition(period: ZonePeriod): number | undefined {
    if (!onceEach) return undefined;
    const previous = zone.periodAt(period.start - 1_000);
    return period.start + Math.max(0, previous.offset - period.offset);
  }
}

function wholeSecond(time: Date): number {
  return Math.floor(time.getTime() / 1_000) * 1_000;
}

function toDate(time: number | undefined): Date | undefined {
  return time === undefined ? undefined : new Date(time);
}
