// One pass of the sender: gives new events their receivers, then tries each delivery whose time has come.
import { createHash } from 'node:crypto';
import type { NotificationTarget } from '../resources/notifications.ts';
import type { DeliveryResult, DueDelivery, NotificationStore } from '../store/notification-store.ts';
import type { Logger } from '../telemetry/logger.ts';
import { messageOf, SigningSecretError } from './message.ts';
import { resultOf } from './retry-plan.ts';
import type { WebhookClient } from './webhook-client.ts';

/** Read at once, of each. */
const BATCH = 100;
/** Tried at once: a receiver that is slow does not hold up the others. */
const AT_ONCE = 20;
/** What became of deliveries can be looked up for so long. */
const KEPT_DAYS = 30;

/** A schedule as far as notifications go; undefined when it is gone. */
export type FindTargets = (
  scheduleUid: string,
) => { readonly namespace: string; readonly name: string; readonly targets: readonly NotificationTarget[] } | undefined;

/** A key of a Secret as text; undefined when one of both is not there. Rejects when the API server does not answer. */
export type ReadSecretKey = (
  ref: { readonly namespace: string; readonly name: string; readonly key: string },
  signal: AbortSignal,
) => Promise<string | undefined>;

export type SenderOptions = {
  readonly store: NotificationStore;
  readonly client: WebhookClient;
  readonly findTargets: FindTargets;
  readonly readSecretKey: ReadSecretKey;
  readonly now: () => Date;
  readonly logger: Logger;
};

/** Rejects with a StoreError; what was tried and not recorded is tried again with the same message id. */
export async function sendNotifications(options: SenderOptions, signal: AbortSignal): Promise<void> {
  const { store, findTargets } = options;
  for (const { notificationId, scheduleUid, event } of await store.unrouted(BATCH, signal)) {
    const targets = findTargets(scheduleUid)?.targets ?? [];
    const wanted = targets.filter(({ events }) => events.some((one) => one === event)).map(({ name }) => name);
    await store.route(notificationId, wanted, signal);
  }
  const due = [...(await store.dueDeliveries(BATCH, signal))];
  const next = async () => {
    for (let delivery = due.shift(); delivery !== undefined; delivery = due.shift()) {
      await store.record(delivery, await deliver(delivery, options, signal), signal);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, next));
  await store.forget(KEPT_DAYS, signal);
}

async function deliver(
  delivery: DueDelivery,
  { store, client, findTargets, readSecretKey, now, logger }: SenderOptions,
  signal: AbortSignal,
): Promise<DeliveryResult> {
  const { scheduleUid, target: name, tries, notificationId: id, event } = delivery;
  const schedule = findTargets(scheduleUid);
  const target = schedule?.targets.find((one) => one.name === name);
  if (schedule === undefined || target === undefined) return { state: 'failed', error: 'the receiver was taken out' };
  const { namespace } = schedule;
  const { urlSecretRef, signingSecretRef } = target;
  const url = urlSecretRef ? await readSecretKey({ namespace, ...urlSecretRef }, signal) : target.url;
  const secrets = signingSecretRef ? await readSecretKey({ namespace, ...signingSecretRef }, signal) : '';
  const trouble = troubleOf(url?.trim(), secrets, target);
  // A Secret may be made later: that is tried as often as a receiver that is away.
  if (trouble !== undefined) return resultOf({ error: trouble }, tries, now());
  const address = (url ?? '').trim();
  const hash = createHash('sha256').update(address).digest();
  if (await store.isDisabled(scheduleUid, name, hash, signal)) {
    return { state: 'disabled', error: 'the receiver answered 410 before: change its URL to send again' };
  }
  try {
    const answer = await client.post(address, messageOf(delivery, target.format, secrets ?? '', now()), signal);
    const result = resultOf(answer, tries, now());
    if (result.state === 'disabled') await store.disable(scheduleUid, name, hash, signal);
    const facts = { id, event, namespace, schedule: schedule.name, target: name, tries: tries + 1, ...result };
    if (result.state === 'delivered') logger.debug(facts, 'notification delivered');
    else logger.warn(facts, 'notification not delivered');
    return result;
  } catch (error) {
    if (error instanceof SigningSecretError) return resultOf({ error: error.message }, tries, now());
    throw error;
  }
}

function troubleOf(
  url: string | undefined,
  secrets: string | undefined,
  target: NotificationTarget,
): string | undefined {
  const { urlSecretRef, signingSecretRef } = target;
  if (secrets === undefined) {
    return `signingSecretRef: there is no Secret "${signingSecretRef?.name}" with the key "${signingSecretRef?.key}"`;
  }
  if (url === undefined) {
    return `urlSecretRef: there is no Secret "${urlSecretRef?.name}" with the key "${urlSecretRef?.key}"`;
  }
  // Never with the value: it is a secret.
  return /^https?:$/.test(URL.parse(url)?.protocol ?? '')
    ? undefined
    : 'the URL of the receiver is no http or https URL';
}
