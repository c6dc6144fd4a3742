// A schedule that is suspended by its spec, perhaps until a time. Pure functions.
import { timestamp } from '../../kube/time.ts';
import type { CrawlScheduleSpec } from '../../resources/crawl-schedule.ts';

type Suspension = Pick<CrawlScheduleSpec, 'suspend' | 'suspendUntil' | 'suspendNote'>;

/** When the suspension ends by itself; undefined for one without an end, and where there is none. */
export function suspensionEnd({ suspend, suspendUntil }: Suspension): Date | undefined {
  return suspend && suspendUntil !== undefined ? new Date(suspendUntil) : undefined;
}

/** The spec as it is in force now: a suspension whose time is over is none. */
export function specInForce<Spec extends Suspension>(spec: Spec, now: Date): Spec {
  const end = suspensionEnd(spec);
  return end !== undefined && now >= end ? { ...spec, suspend: false } : spec;
}

/** Since when a schedule is in force again whose suspension ended by itself: an operator may see that later. */
export function resumedAt({ suspend, suspendUntil }: Suspension, now: Date): Date {
  if (suspend || suspendUntil === undefined) return now;
  const end = new Date(suspendUntil);
  return end < now ? end : now;
}

export function suspensionReason({ suspend, suspendUntil, suspendNote }: Suspension): string {
  const until = suspendUntil === undefined ? '' : ` until ${timestamp(new Date(suspendUntil))}`;
  return `spec.suspend is ${suspend}${until}: no new runs are made${suspendNote === undefined ? '' : ` (${suspendNote})`}`;
}
