// A status that fits into its object: etcd takes 1.5 MiB for spec and status together. Pure functions.
import { cutText } from '../../resources/clamp.ts';
import type { CrawlRunStatus } from '../../resources/crawl-run.ts';
import { defined } from '../../resources/defined.ts';

/** From the whole status to what no reader can do without. */
export const STATUS_SIZES = ['Whole', 'Summary', 'Verdict'] as const;
export type StatusSize = (typeof STATUS_SIZES)[number];

const SHORT_MESSAGE = 200;

/** `Summary` is without the lists; `Verdict` is phase, times and how the run ended, with a short message. */
export function shorterStatus(status: CrawlRunStatus, size: StatusSize): CrawlRunStatus {
  if (size === 'Whole') return status;
  const { sources: _sources, workers: _workers, blockedHosts: _hosts, spiderTraps: _traps, ...summary } = status;
  if (size === 'Summary') return summary;
  const { phase, message, conditions, observedGeneration, scheduledTime, completionTime, startDeadline } = summary;
  return {
    ...defined({ phase, observedGeneration, scheduledTime, completionTime, startDeadline }),
    ...(message === undefined ? {} : { message: cutText(message, SHORT_MESSAGE) }),
    // The reason is said once, in the status's own message.
    conditions: (conditions ?? [])
      .filter(({ type }) => ['Complete', 'Failed', 'Finished'].includes(type))
      .map((condition) => ({ ...condition, message: 'see status.message' })),
  };
}

export function nextShorter(size: StatusSize): StatusSize | undefined {
  return STATUS_SIZES[STATUS_SIZES.indexOf(size) + 1];
}
