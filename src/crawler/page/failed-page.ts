// What becomes of a page that failed, and of its host.

import {
  type Claim,
  type FetchFacts,
  MAX_BLOCKED_RETRIES,
  type Outcome,
  type WorkerStore,
} from '../../gateway/protocol/worker-store.ts';
import type { CrawlRunSpec } from '../../resources/crawl-run.ts';
import { backOffMs } from '../back-off.ts';
import type { Failure } from '../failure.ts';
import type { HostReports } from './host-reports.ts';

/** A host that refuses without a Retry-After is paused for this many times the pause of a failed page. */
const REFUSAL_FACTOR = 8;
/** Failed pages of a parked host wait for this many of its pauses, and this long at most: others are the next probes. */
const PROBES_FIRST = 8;
const MAX_PROBES_MS = 2 * 60_000;

export type FailPage = (
  claim: Claim,
  failure: Failure,
  facts: FetchFacts | undefined,
  signal: AbortSignal,
) => Promise<Outcome>;

export function createFailPage(options: {
  readonly spec: CrawlRunSpec;
  readonly store: Pick<WorkerStore, 'deferHost'>;
  readonly reports: HostReports;
}): FailPage {
  const { spec, store, reports } = options;

  /** Retries a failed page when that may help, and pauses its host when the answer asks for it. */
  async function failPage(
    claim: Claim,
    failure: Failure,
    facts: FetchFacts | undefined,
    signal: AbortSignal,
  ): Promise<Outcome> {
    const { cause, message, retryable } = failure;
    const base = { claim, cause, message, ...(facts === undefined ? {} : { facts }) };
    const hostPauseMs = hostPause(failure, claim);
    const { isSwitched, parkedMs } = await reports.failed(claim, failure, facts?.status, signal);
    if (hostPauseMs > 0 && !isSwitched) await store.deferHost(claim.host, hostPauseMs, signal);
    if (!retryable || !hasRetriesLeft(claim, cause)) return { type: 'dead', ...base };
    // Pages that have not been tried yet are the better probes of a parked host.
    const probesMs = Math.min(PROBES_FIRST * parkedMs, MAX_PROBES_MS);
    const delayMs = Math.max(backOffMs(claim.attempt), hostPauseMs, failure.retryAfterMs ?? 0, probesMs);
    return { type: 'retry', ...base, delayMs };
  }

  function hasRetriesLeft({ attempt, blocks = 0 }: Claim, cause: Failure['cause']): boolean {
    return cause === 'Blocked' ? blocks < MAX_BLOCKED_RETRIES : attempt <= spec.fetch.maxRetries;
  }

  return failPage;
}

/** How long the host is paused after the failure, in milliseconds. */
function hostPause({ cause, retryAfterMs }: Failure, { attempt, blocks = 0 }: Claim): number {
  if (cause === 'Blocked') return Math.max(retryAfterMs ?? 0, REFUSAL_FACTOR * backOffMs(blocks + 1));
  if (cause === 'RateLimited') return retryAfterMs ?? REFUSAL_FACTOR * backOffMs(attempt);
  return cause === 'HttpError' ? (retryAfterMs ?? 0) : 0;
}
