// `trawler notifications`: what a schedule has told its receivers, for a person or for a program; sent again, or tried out.
import { setTimeout as delay } from 'node:timers/promises';
import { type Column, tableLines } from '../src/cli/table.ts';
import type { Delivery, DeliveryFilter, DeliveryStore } from '../src/store/delivery-store.ts';

/** Options of the program: the caller knows the schedule by its UID. */
export type DeliveryOptions = {
  readonly scheduleUid: string;
  readonly id?: string;
  readonly target?: string;
  readonly state?: DeliveryFilter['state'];
  readonly limit: number;
  readonly json?: boolean;
};

export type TestOptions = {
  readonly scheduleUid: string;
  readonly namespace: string;
  readonly schedule: string;
  readonly json?: boolean;
};

/** Most rows of one answer. */
const MOST_ROWS = 10_000;
/** The operator that leads looks at its outbox every two seconds, and gives a receiver some more. */
const TEST_PATIENCE_MS = 30_000;
const POLL_MS = 500;

const COLUMNS: readonly Column<Delivery>[] = [
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

export async function listDeliveries(
  deliveries: Pick<DeliveryStore, 'list'>,
  { limit, json, ...options }: DeliveryOptions,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const found = await deliveries.list({ ...filterOf(options), limit: Math.min(limit, MOST_ROWS) }, signal);
  return json ? found.map((one) => JSON.stringify(one)) : tableLines(COLUMNS, found);
}

export async function redeliver(
  deliveries: Pick<DeliveryStore, 'redeliver'>,
  { json, ...options }: DeliveryOptions,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const redelivered = await deliveries.redeliver(filterOf(options), signal);
  return [json ? JSON.stringify({ redelivered }) : `${redelivered} deliveries are sent again`];
}

/** @throws Error when the receiver has not taken the message */
export async function testTarget(
  deliveries: Pick<DeliveryStore, 'list' | 'sendTest'>,
  target: string,
  { scheduleUid, namespace, schedule, json }: TestOptions,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const message = 'a message to try out the receiver: nothing has happened';
  const payload = { namespace, schedule, reason: 'Test', message };
  const notificationId = await deliveries.sendTest({ scheduleUid, target, payload }, signal);
  const end = performance.now() + TEST_PATIENCE_MS;
  while (performance.now() < end) {
    const [sent] = await deliveries.list({ scheduleUid, notificationId, limit: 1 }, signal);
    if (sent?.state === 'delivered') return [json ? JSON.stringify(sent) : `${target} answered ${sent.status}`];
    if (sent !== undefined && sent.tries > 0) throw new Error(`${target}: ${sent.error}`);
    await delay(POLL_MS, undefined, { signal });
  }
  throw new Error(`no operator has sent the message within ${TEST_PATIENCE_MS / 1_000} s`);
}

function filterOf({ scheduleUid, id, target, state }: Omit<DeliveryOptions, 'limit' | 'json'>): DeliveryFilter {
  return {
    scheduleUid,
    ...(id === undefined ? {} : { notificationId: id }),
    ...(target === undefined ? {} : { target }),
    ...(state === undefined ? {} : { state }),
  };
}

function seconds(time: Date): string {
  return time.toISOString().replace(/\.\d+Z$/, 'Z');
}
