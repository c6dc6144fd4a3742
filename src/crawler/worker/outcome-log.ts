// Outcomes in the worker's log and in its totals.
import type { Outcome } from '../../gateway/protocol/worker-store.ts';
import { LOG_EVENTS } from '../../telemetry/log-events.ts';
import type { Logger } from '../../telemetry/logger.ts';

/** Outcomes that this worker committed. */
export type WorkerTotals = {
  pages: number;
  items: number;
  failed: number;
  retried: number;
  skipped: number;
  missingScreenshots: number;
};

export function noTotals(): WorkerTotals {
  return { pages: 0, items: 0, failed: 0, retried: 0, skipped: 0, missingScreenshots: 0 };
}

export function countOutcome(totals: WorkerTotals, outcome: Outcome): void {
  switch (outcome.type) {
    case 'done':
      totals.pages++;
      totals.items += outcome.items.length;
      if (outcome.facts?.screenshotError !== undefined) totals.missingScreenshots++;
      break;
    case 'dead':
      totals.failed++;
      break;
    case 'retry':
      totals.retried++;
      break;
    case 'skipped':
      totals.skipped++;
  }
}

export function logOutcome(log: Logger, outcome: Outcome): void {
  const { claim, facts } = outcome;
  const line = { url: claim.url, source: claim.source, attempt: claim.attempt, ...facts };
  if (outcome.type === 'dead') {
    log.warn({ ...line, cause: outcome.cause, error: outcome.message }, LOG_EVENTS.pageFailed.message);
  } else if (outcome.type === 'retry' && outcome.cause === 'Blocked') {
    log.warn({ ...line, error: outcome.message }, LOG_EVENTS.crawlBlocked.message);
  } else if (outcome.type === 'retry') {
    log.debug({ ...line, cause: outcome.cause, error: outcome.message }, 'page to be retried');
  } else if (outcome.type === 'skipped') {
    log.debug({ ...line, reason: outcome.reason }, 'page skipped');
  } else if (outcome.type === 'done' && facts?.screenshotError !== undefined) {
    log.warn({ ...line, items: outcome.items.length }, 'page has no screenshot');
  } else if (outcome.type === 'done' && facts?.truncated !== undefined) {
    log.warn({ ...line, items: outcome.items.length }, 'page was cut');
  } else if (outcome.type === 'done') {
    log.debug({ ...line, items: outcome.items.length, links: outcome.links.length }, 'page done');
  } else log.debug(line, 'page released');
}
