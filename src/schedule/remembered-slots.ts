// A timetable that need not look for its next slots again: schedules with the same expression share one, and each of them
// is looked at many times between two of its slots.
import type { Timetable } from './timetable.ts';

/** What a look at a schedule asks for: the slot that is due, and the five after it that its status shows. */
const REMEMBERED = 8;

/** The same timetable, remembering the slots around the last answers of `next`. */
export function rememberingSlots(timetable: Timetable): Timetable {
  /** Slots without a gap, oldest first, and an instant before the first of them that no other slot comes after. */
  let since = new Date(0);
  let slots: Date[] = [];

  function next(after: Date): Date | undefined {
    const known = after >= since ? slots.find((slot) => slot > after) : undefined;
    if (known !== undefined) return known;
    const slot = timetable.next(after);
    if (slot === undefined) return undefined;
    if (slots.at(-1)?.getTime() === after.getTime()) append(slot);
    else if (slots[0]?.getTime() === slot.getTime()) since = after;
    else [since, slots] = [after, [slot]];
    return slot;
  }

  function append(slot: Date): void {
    slots.push(slot);
    if (slots.length > REMEMBERED) since = slots.shift() ?? since;
  }

  return { next, latest: timetable.latest };
}
