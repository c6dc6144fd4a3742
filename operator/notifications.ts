// `trawler notifications`: what a schedule has told its receivers, for a person or for a program; sent again, or tried out.
import { DELIVERY_COLUMNS, untilTested } from '../src/cli/deliveries.ts';
import { tableLines } from '../src/cli/table.ts';
import type { DeliveryFilter, DeliveryStore } from '../src/store/delivery-store.ts';

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

export async function listDeliveries(
  deliveries: Pick<DeliveryStore, 'list'>,
  { limit, json, ...options }: DeliveryOptions,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const found = await deliveries.list({ ...filterOf(options), limit: Math.min(limit, MOST_ROWS) }, signal);
  return json ? found.map((one) => JSON.stringify(one)) : tableLines(DELIVERY_COLUMNS, found);
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
  const find = async () => (await deliveries.list({ scheduleUid, notificationId, limit: 1 }, signal))[0];
  const tested = await untilTested(target, find, signal);
  if (!tested.ok) throw new Error(tested.message);
  return [json ? JSON.stringify(tested.delivery) : `${target} answered ${tested.delivery.status}`];
}

function filterOf({ scheduleUid, id, target, state }: Omit<DeliveryOptions, 'limit' | 'json'>): DeliveryFilter {
  return {
    scheduleUid,
    ...(id === undefined ? {} : { notificationId: id }),
    ...(target === undefined ? {} : { target }),
    ...(state === undefined ? {} : { state }),
  };
}
