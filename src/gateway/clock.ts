// The database's clock for all workers of this gateway: each of them asks often, and the database is asked by the gateway alone.
import { DatabaseClock, FINEST_MS } from './protocol/database-clock.ts';

/** After so long it is looked at once more, however well it is known: it may have been set. */
const LOOK_EVERY_MS = 3_000;

/** Milliseconds of the database's clock: it shows no less than `now`, and no more than `moment`. */
export type ClockReading = { readonly now: number; readonly moment: number };

/**
 * What the database's clock shows. It is looked at again after three seconds, for all that ask meanwhile.
 * @param look what the database's clock showed, and when it was asked by `now`; rejects when the database does not answer
 * @param now a monotonic clock in milliseconds
 */
export function createClock(
  look: () => Promise<{ readonly asked: number; readonly databaseNow: number }>,
  now: () => number = () => performance.now(),
): () => Promise<ClockReading> {
  const clock = new DatabaseClock(now);
  let lookedAt = Number.NEGATIVE_INFINITY;
  let looking: Promise<void> | undefined;

  async function ask() {
    const { asked, databaseNow } = await look();
    lookedAt = now();
    return { asked, moment: databaseNow, now: databaseNow };
  }

  const isDue = () => now() - lookedAt >= LOOK_EVERY_MS;

  async function lookAgain(): Promise<void> {
    if (isDue()) clock.look(await ask());
    await clock.lookAsNeeded(FINEST_MS, ask);
  }

  return async () => {
    if (looking === undefined && (isDue() || clock.needsLook(FINEST_MS))) {
      looking = lookAgain().finally(() => {
        looking = undefined;
      });
    }
    await looking;
    return clock.reading();
  };
}
