// What the sender of notifications asks of Kubernetes: the receivers that a schedule names, and their Secrets.
import { createAddressGuard } from '../crawler/network/address-guard.ts';
import { createAddressPolicy, parseAllowedAddresses } from '../crawler/network/address-policy.ts';
import type { Secret } from '../kube/builtin-types.ts';
import type { ResourceClient } from '../kube/resource-client.ts';
import { type SenderOptions, sendNotifications } from '../notifications/sender.ts';
import { createWebhookClient } from '../notifications/webhook-client.ts';
import { crawlScheduleSpec } from '../resources/crawl-schedule.ts';
import type { OperatorStore } from '../store/operator-store.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { ScheduleCache } from './caches.ts';
import { createScheduleEvents } from './schedule-events.ts';

/** Between two passes, in milliseconds. */
export const NOTIFICATION_INTERVAL_MS = 2_000;

export function createNotifications(options: {
  readonly store: Pick<OperatorStore, 'notifications'>;
  readonly scheduleCache: Pick<ScheduleCache, 'list'>;
  readonly secrets: ResourceClient<Secret>;
  /** host:port or network:port that may be reached though they are private, as crawls may. */
  readonly allowedAddresses: readonly string[];
  readonly now: () => Date;
  readonly logger: Logger;
}) {
  const { store, scheduleCache, secrets, allowedAddresses, now, logger } = options;
  const policy = createAddressPolicy(parseAllowedAddresses(allowedAddresses.join(',')));
  const client = createWebhookClient(createAddressGuard(policy));
  const sender: SenderOptions = {
    ...{ store: store.notifications, client, now, logger },
    findTargets(uid) {
      const schedule = scheduleCache.list().find(({ metadata }) => metadata.uid === uid);
      if (schedule === undefined) return undefined;
      const { namespace, name } = schedule.metadata;
      const { data } = crawlScheduleSpec.shape.notifications.safeParse(schedule.spec.notifications);
      return { namespace, name, targets: data ?? [] };
    },
    async readSecretKey({ namespace, name, key }, signal) {
      const value = (await secrets.get({ namespace, name }, { signal }))?.data?.[key];
      return value === undefined ? undefined : Buffer.from(value, 'base64').toString('utf8');
    },
  };
  const noteEvents = createScheduleEvents(store.notifications);
  return {
    async send(signal: AbortSignal): Promise<void> {
      await noteEvents(scheduleCache.list(), signal);
      await sendNotifications(sender, signal);
    },
    close: () => client.close(),
  };
}
