// The store for a worker that waits while the gateway, or PostgreSQL behind it, is away: calls are made again until they are
// answered, however long that takes. spec.timeoutSeconds bounds the run, and a stop ends the wait.
import { StoreError } from '../../gateway/protocol/store-error.ts';
import type { WorkerStore } from '../../gateway/protocol/worker-store.ts';
import type { Logger } from '../../telemetry/logger.ts';
import { pause } from '../pause.ts';

const FIRST_DELAY_MS = 250;
const MAX_DELAY_MS = 10_000;
/** What the gateway may ask for by Retry-After; more is taken as this, since it may be back sooner. */
const MAX_RETRY_AFTER_MS = 30_000;

export type Patience = {
  readonly log: Logger;
  /** Called at each try that failed: the worker is waiting, it does not hang. */
  readonly onRetry: () => void;
};

/**
 * The same store; `Unavailable` never reaches the caller. A commit whose answer was lost is made again and finds its
 * leases gone: what was written is there once.
 */
export function createPatientStore(store: WorkerStore, patience: Patience): WorkerStore {
  const { log, onRetry } = patience;
  /** By `performance.now()`; the same outage for all calls. */
  let awaySince: number | undefined;

  function back(): void {
    if (awaySince !== undefined)
      log.info({ awayMs: Math.round(performance.now() - awaySince) }, 'gateway answers again');
    awaySince = undefined;
  }

  function away(error: StoreError): void {
    if (awaySince === undefined) log.warn({ error: error.message }, 'waiting for the gateway');
    awaySince ??= performance.now();
    onRetry();
  }

  async function patiently<Result>(signal: AbortSignal, call: () => Promise<Result>): Promise<Result> {
    for (let delay = FIRST_DELAY_MS; ; delay = Math.min(delay * 2, MAX_DELAY_MS)) {
      try {
        const result = await call();
        back();
        return result;
      } catch (error) {
        if (!(error instanceof StoreError) || error.reason !== 'Unavailable') throw error;
        away(error);
        await pause(delayOf(error, delay), signal);
      }
    }
  }

  return {
    loadRun: (signal) => patiently(signal, () => store.loadRun(signal)),
    seed: (seeds, signal) => patiently(signal, () => store.seed(seeds, signal)),
    claim: (slots, signal) => patiently(signal, () => store.claim(slots, signal)),
    returnUnknownLeases: (signal) => patiently(signal, () => store.returnUnknownLeases(signal)),
    reserveHost: (host, signal) => patiently(signal, () => store.reserveHost(host, signal)),
    deferHost: (host, delayMs, signal) => patiently(signal, () => store.deferHost(host, delayMs, signal)),
    recallPage: (requestId, signal) => patiently(signal, () => store.recallPage(requestId, signal)),
    reportBlock: (host, evidence, signal) => patiently(signal, () => store.reportBlock(host, evidence, signal)),
    moveScope: (source, url, signal) => patiently(signal, () => store.moveScope(source, url, signal)),
    readMovedScopes: (signal) => patiently(signal, () => store.readMovedScopes(signal)),
    reportTrap: (trap, signal) => patiently(signal, () => store.reportTrap(trap, signal)),
    reportFailure: (host, failure, signal) => patiently(signal, () => store.reportFailure(host, failure, signal)),
    reportAnswer: (host, signal) => patiently(signal, () => store.reportAnswer(host, signal)),
    reportOutage: (host, ageMs, message, signal) =>
      patiently(signal, () => store.reportOutage(host, ageMs, message, signal)),
    reportReachable: (host, signal) => patiently(signal, () => store.reportReachable(host, signal)),
    areAllSourcesBlocked: (refusals, signal) => patiently(signal, () => store.areAllSourcesBlocked(refusals, signal)),
    readRobots: (host, signal) => patiently(signal, () => store.readRobots(host, signal)),
    setCrawlDelay: (host, delayMs, signal) => patiently(signal, () => store.setCrawlDelay(host, delayMs, signal)),
    writeRobots: (host, robots, signal) => patiently(signal, () => store.writeRobots(host, robots, signal)),
    readHostRendering: (host, signal) => patiently(signal, () => store.readHostRendering(host, signal)),
    learnHostRendering: (host, needed, signal) =>
      patiently(signal, () => store.learnHostRendering(host, needed, signal)),
    commit: (outcomes, signal) => patiently(signal, () => store.commit(outcomes, signal)),
    addLinks: (claim, links, signal) => patiently(signal, () => store.addLinks(claim, links, signal)),
    finish: (signal) => patiently(signal, () => store.finish(signal)),
    leaseOutput: (signal) => patiently(signal, () => store.leaseOutput(signal)),
    outputItems: (fence, after, signal) => patiently(signal, () => store.outputItems(fence, after, signal)),
    outputFields: (fence, signal) => patiently(signal, () => store.outputFields(fence, signal)),
    settleOutput: (fence, result, signal) => patiently(signal, () => store.settleOutput(fence, result, signal)),
    releaseOutput: (fence, signal) => patiently(signal, () => store.releaseOutput(fence, signal)),
    close: () => store.close(),
  };
}

/** A random half of the delay is left out, so that workers do not come back together; nothing of what the gateway asked for. */
function delayOf({ retryAfterMs = 0 }: StoreError, delay: number): number {
  return Math.min(retryAfterMs, MAX_RETRY_AFTER_MS) + delay * (0.5 + Math.random() / 2);
}
