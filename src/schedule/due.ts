// Which slot of a schedule is due now, given how far it has come. Pure function of its arguments.
import type { CronSchedule } from './cron.ts';

export type DueInput = {
  readonly schedule: CronSchedule;
  /** The instant up to which every slot is dealt with. */
  readonly cursor: Date;
  readonly now: Date;
  /** A slot older than this is not made up for; no limit when absent. */
  readonly startingDeadlineSeconds?: number;
};

export type Due = {
  /** The nominal time to start a run for; absent when nothing is due. */
  readonly slot?: Date;
  /** Slots between the cursor and `slot` that no run is made for; counted up to MISSED_COUNT_LIMIT. */
  readonly missed: number;
  /** The newest slot, when it is past its starting deadline. */
  readonly tooLate?: Date;
  /** The first slot after now. */
  readonly next?: Date;
};

/** Counting stops here: an operator that was away for days must not walk through every second of them. */
export const MISSED_COUNT_LIMIT = 100;

/** After any outage only the latest missed slot is due, and only within its starting deadline. */
export function dueSlot({ schedule, cursor, now, startingDeadlineSeconds }: DueInput): Due {
  const next = schedule.next(now);
  const upcoming = next === undefined ? {} : { next };
  const slot = schedule.latest(now);
  if (slot === undefined || slot <= cursor) return { missed: 0, ...upcoming };

  const missed = countSlots(schedule, cursor, slot);
  const ageSeconds = (now.getTime() - slot.getTime()) / 1_000;
  if (startingDeadlineSeconds !== undefined && ageSeconds > startingDeadlineSeconds) {
    return { missed, tooLate: slot, ...upcoming };
  }
  return { slot, missed, ...upcoming };
}

function countSlots(schedule: CronSchedule, after: Date, before: Date): number {
  let count = 0;
  for (let slot = schedule.next(after); slot !== undefined && slot < before; slot = schedule.next(slot)) {
    count += 1;
    if (count === MISSED_COUNT_LIMIT) break;
  }
  return count;
}
