// What the sender of notifications may ask of Postgres.

export type Notification = {
  readonly notificationId: string;
  readonly scheduleUid: string;
  readonly event: string;
  readonly occurredAt: Date;
  readonly payload: Readonly<Record<string, unknown>>;
};

/** An event of a schedule that belongs to no run. `occasion` tells it from others of its kind: it is sent once. */
export type ScheduleEvent = {
  readonly scheduleUid: string;
  readonly event: 'Suspended' | 'Late';
  readonly occasion: string;
  readonly payload: Readonly<Record<string, unknown>>;
};

/** A delivery that is to be tried now. `tries` counts those before. */
export type DueDelivery = Notification & { readonly target: string; readonly tries: number };

/** What became of a try. */
export type DeliveryResult = {
  readonly state: 'pending' | 'delivered' | 'failed' | 'disabled';
  /** Of the answer, if there was one. */
  readonly status?: number;
  /** Why it is not delivered, for people. */
  readonly error?: string;
  /** With `pending`: until the next try, in milliseconds. */
  readonly retryInMs?: number;
};

/** Every call rejects with a StoreError. */
export type NotificationStore = {
  /** Writes an event of a schedule; does nothing when it is there. */
  noteOfSchedule(event: ScheduleEvent, signal: AbortSignal): Promise<void>;
  /**
   * Events whose receivers are not known yet, the oldest first. That of a run which is being compared with the run before comes
   * when that is done, or after ten minutes.
   */
  unrouted(limit: number, signal: AbortSignal): Promise<readonly Notification[]>;
  /** Makes a delivery for each target, and the event is routed; both or neither. */
  route(notificationId: string, targets: readonly string[], signal: AbortSignal): Promise<void>;
  /** Deliveries whose time has come, the most overdue first. */
  dueDeliveries(limit: number, signal: AbortSignal): Promise<readonly DueDelivery[]>;
  record(delivery: DueDelivery, result: DeliveryResult, signal: AbortSignal): Promise<void>;
  /** Sends nothing more to the target as long as its URL has this hash. */
  disable(scheduleUid: string, target: string, urlHash: Buffer, signal: AbortSignal): Promise<void>;
  isDisabled(scheduleUid: string, target: string, urlHash: Buffer, signal: AbortSignal): Promise<boolean>;
  /** Drops routed events of more than so many days ago that have no delivery under way; how many. */
  forget(days: number, signal: AbortSignal): Promise<number>;
};
