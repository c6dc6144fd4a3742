// What becomes of a page that failed, and of its host.
import type { CrawlRunSpec } from '../../resources/crawl-run.ts';
import {
  type Claim,
  type FetchFacts,
  MAX_BLOCKED_RETRIES,
  type Outcome,
  type WorkerStore,
} from '../../store/worker-store.ts';
import { backOffMs } from '../back-off.ts';
import type { Failure } from '../failure.ts';
import type { HostReports } from './host-reports.ts';

/** A host that refuses without saying for how long is left alone this much longer than a page that merely failed. */
const REFUSAL_FACTOR = 8;
/** For so many pauses of a parked host, and no longer, its failed pages are kept from being the next probes. */
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

  /** Puts a failed page back for later when that may help, and leaves its host alone when it asked for that. */
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

/** How long the host is left alone after the failure, in milliseconds. */
function hostPause({ cause, retryAfterMs }: Failure, { attempt, blocks = 0 }: Claim): number {
  if (cause === 'Blocked') return Math.max(retryAfterMs ?? 0, REFUSAL_FACTOR * backOffMs(blocks + 1));
  if (cause === 'RateLimited') return retryAfterMs ?? REFUSAL_FACTOR * backOffMs(attempt);
  return cause === 'HttpError' ? (retryAfterMs ?? 0) : 0;
}
