// Which slots of a schedule are due now, given how far it has come. Pure function of its arguments.
import type { Timetable } from './timetable.ts';

export type CatchUp = {
  /** Which of the missed slots are made up for: the latest, all of them, or none. */
  readonly policy: 'Latest' | 'All' | 'None';
  /** With `All`: at most the newest so many. */
  readonly maxRuns: number;
};

export type DueInput = {
  readonly timetable: Timetable;
  /** The instant up to which every slot is dealt with. */
  readonly cursor: Date;
  readonly now: Date;
  readonly catchUp: CatchUp;
  /** A slot older than this is not made up for; no limit when absent. */
  readonly startingDeadlineSeconds?: number;
};

export type Due = {
  /** The nominal times to start runs for, oldest first. */
  readonly slots: readonly Date[];
  /** Slots since the cursor that no run is made for; counted up to MISSED_COUNT_LIMIT. */
  readonly missed: number;
  /** The newest slot, when no run may be made for it any more, and the rule that forbids it. */
  readonly tooLate?: { readonly slot: Date; readonly rule: 'startingDeadlineSeconds' | 'catchUp' };
};

/** Counting stops here: an operator that was away for days must not walk through every second of them. */
export const MISSED_COUNT_LIMIT = 100;

/** With `catchUp: None` a slot counts as missed after this: longer than a change of leader takes. */
export const ON_TIME_SECONDS = 60;

export function dueSlots({ timetable, cursor, now, catchUp, startingDeadlineSeconds }: DueInput): Due {
  const first = timetable.next(cursor);
  if (first === undefined || first > now) return { slots: [], missed: 0 };
  const second = timetable.next(first);
  const isOnly = second === undefined || second > now;
  // Looking back costs more than looking ahead.
  const newest = isOnly ? first : (timetable.latest(now) ?? first);

  const isWithin = (slot: Date, seconds: number) => now.getTime() - slot.getTime() <= seconds * 1_000;
  if (startingDeadlineSeconds !== undefined && !isWithin(newest, startingDeadlineSeconds)) {
    return {
      slots: [],
      missed: countSlots(timetable, cursor, newest),
      tooLate: { slot: newest, rule: 'startingDeadlineSeconds' },
    };
  }
  if (catchUp.policy === 'None' && !isWithin(newest, ON_TIME_SECONDS)) {
    return { slots: [], missed: countSlots(timetable, cursor, newest), tooLate: { slot: newest, rule: 'catchUp' } };
  }
  const wanted = catchUp.policy === 'All' && !isOnly ? catchUp.maxRuns : 1;
  const slots = newestSlots(timetable, cursor, newest, wanted).filter(
    (slot) => startingDeadlineSeconds === undefined || isWithin(slot, startingDeadlineSeconds),
  );
  const oldest = slots[0] ?? newest;
  return { slots, missed: countSlots(timetable, cursor, oldest) };
}

/** At most `count` slots after the cursor up to `newest`, walking back from it; oldest first. */
function newestSlots(timetable: Timetable, cursor: Date, newest: Date, count: number): Date[] {
  const slots = [newest];
  while (slots.length < count) {
    const slot = timetable.latest(new Date((slots[0] ?? newest).getTime() - 1_000));
    if (slot === undefined || slot <= cursor) break;
    slots.unshift(slot);
  }
  return slots;
}

function countSlots(timetable: Timetable, after: Date, before: Date): number {
  let count = 0;
  for (let slot = timetable.next(after); slot !== undefined && slot < before; slot = timetable.next(slot)) {
    count += 1;
    if (count === MISSED_COUNT_LIMIT) break;
  }
  return count;
}

/** The slots after `from` up to `to`, at most `limit`, oldest first. */
export function slotsBetween(timetable: Timetable, from: Date, to: Date, limit: number): Date[] {
  const slots: Date[] = [];
  for (let slot = timetable.next(from); slot !== undefined && slot <= to; slot = timetable.next(slot)) {
    slots.push(slot);
    if (slots.length === limit) break;
  }
  return slots;
}
