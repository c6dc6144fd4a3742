// What a person may ask and do about notifications that were sent, or were not.
import type { DeliveryResult, Notification } from './notification-store.ts';

/** A notification on its way to one receiver, or after that. */
export type Delivery = Pick<Notification, 'notificationId' | 'event' | 'occurredAt'> & {
  /** Name of the run that it is about; absent for one about the schedule. */
  readonly run?: string;
  readonly target: string;
  readonly state: DeliveryResult['state'];
  /** Tries so far, since it was last sent anew. */
  readonly tries: number;
  /** Of one that is pending: when it is tried next. */
  readonly nextAt?: Date;
  readonly triedAt?: Date;
  /** Of the last answer, if there was one. */
  readonly status?: number;
  /** Why it is not delivered, for people. */
  readonly error?: string;
};

export type DeliveryFilter = {
  readonly scheduleUid: string;
  readonly notificationId?: string;
  readonly target?: string;
  readonly state?: DeliveryResult['state'];
};

/** Every call rejects with a StoreError. */
export type DeliveryStore = {
  /** The newest first. */
  list(filter: DeliveryFilter & { readonly limit: number }, signal: AbortSignal): Promise<readonly Delivery[]>;
  /**
   * Sends them anew, with the message ids that they had, and as often as at first; also to a receiver that has answered 410. Those
   * that are delivered or under way only where the filter names the notification. How many they are.
   */
  redeliver(filter: DeliveryFilter, signal: AbortSignal): Promise<number>;
  /** Sends an event Test to one receiver, whatever events it wants; the id of the message. */
  sendTest(
    test: {
      readonly scheduleUid: string;
      readonly target: string;
      readonly payload: Readonly<Record<string, unknown>>;
    },
    signal: AbortSignal,
  ): Promise<string>;
};
