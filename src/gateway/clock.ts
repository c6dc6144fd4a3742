// The database's clock for all workers of this gateway: each of them asks often, and the database is asked by the gateway alone.
import { DatabaseClock } from './protocol/database-clock.ts';

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
  let looking: Promise<void> | undefined;

  async function ask() {
    const { asked, databaseNow } = await look();
    return { asked, moment: databaseNow, now: databaseNow };
  }

  return async () => {
    if (clock.needsLook) {
      looking ??= clock.lookAsNeeded(ask).finally(() => {
        looking = undefined;
      });
      await looking;
    }
    return clock.reading();
  };
}
