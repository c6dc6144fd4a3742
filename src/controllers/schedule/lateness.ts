// Whether a schedule has been without success for too long. Pure function.
import type { CrawlScheduleSpec } from '../../resources/crawl-schedule.ts';
import { durationMs } from '../../resources/duration.ts';

export type Lateness =
  | { readonly isLate: boolean; readonly at: Date; readonly isSuspended: false }
  | { readonly isLate: false; readonly isSuspended: true };

/**
 * A success may be missing for spec.successDeadline: since the last one, at the earliest since `inForceSince`, when the
 * schedule was created or resumed or its times were edited. A schedule that spec.suspend suspends is not late; one that
 * failures have suspended is.
 * @returns undefined without spec.successDeadline; `at` is when it is late or will be
 */
export function lateness(
  spec: Pick<CrawlScheduleSpec, 'successDeadline' | 'suspend'>,
  lastSuccessfulTime: string | undefined,
  inForceSince: string,
  now: Date,
): Lateness | undefined {
  if (spec.successDeadline === undefined) return undefined;
  if (spec.suspend) return { isLate: false, isSuspended: true };
  const from = Math.max(Date.parse(inForceSince), lastSuccessfulTime ? Date.parse(lastSuccessfulTime) : 0);
  const at = new Date(from + durationMs(spec.successDeadline));
  return { isLate: now >= at, at, isSuspended: false };
}
