// What the log of deliveries shows of each, and whether a receiver has taken a message; by the plugin and by the operator's program.
import { setTimeout as delay } from 'node:timers/promises';
import { type Column, seconds } from './table.ts';

/** As PostgreSQL gives it, or as the API does, whose times are texts. */
export type ShownDelivery = {
  readonly notificationId: string;
  readonly event: string;
  readonly occurredAt: Date | string;
  readonly run?: string | undefined;
  readonly target: string;
  readonly state: string;
  readonly tries: number;
  readonly nextAt?: Date | string | undefined;
  readonly status?: number | undefined;
  readonly error?: string | undefined;
};

/** The operator that leads looks at its outbox every two seconds, and gives a receiver some more. */
const TEST_PATIENCE_MS = 30_000;
const POLL_MS = 500;

export const DELIVERY_COLUMNS: readonly Column<ShownDelivery>[] = [
  ['TIME', ({ occurredAt }) => seconds(occurredAt)],
  ['EVENT', ({ event }) => event],
  ['RUN', ({ run = '' }) => run],
  ['TARGET', ({ target }) => target],
  ['STATE', ({ state }) => state],
  ['TRIES', ({ tries }) => String(tries)],
  ['STATUS', ({ status }) => (status === undefined ? '' : String(status))],
  ['NEXT', ({ nextAt }) => (nextAt === undefined ? '' : seconds(nextAt))],
  ['ID', ({ notificationId }) => notificationId],
  ['ERROR', ({ error = '' }) => error],
];

/** The delivery that the receiver has taken, or what is to be said of one that it has not. */
export type Tested<T> = { readonly ok: true; readonly delivery: T } | { readonly ok: false; readonly message: string };

/** Waits until a message that was sent as a test has been tried. Rejects with what `find` does, or with the signal's reason. */
export async function untilTested<T extends ShownDelivery>(
  target: string,
  find: () => Promise<T | undefined>,
  signal: AbortSignal,
): Promise<Tested<T>> {
  const end = performance.now() + TEST_PATIENCE_MS;
  while (performance.now() < end) {
    const sent = await find();
    if (sent?.state === 'delivered') return { ok: true, delivery: sent };
    if (sent !== undefined && sent.tries > 0) return { ok: false, message: `${target}: ${sent.error}` };
    await delay(POLL_MS, undefined, { signal });
  }
  return { ok: false, message: `no operator has sent the message within ${TEST_PATIENCE_MS / 1_000} s` };
}
