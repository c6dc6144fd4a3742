// What the other workers are told of a host after a page of it: that it refuses the crawl, that it fails, or that it
// gives pages again.
import type { CrawlRunSpec } from '../../resources/crawl-run.ts';
import { durationMs } from '../../resources/duration.ts';
import type { Claim, FailureCause, WorkerStore } from '../../store/worker-store.ts';
import type { Logger } from '../../telemetry/logger.ts';
import type { Failure } from '../failure.ts';

/** Hosts that are kept in mind as failing. */
const MAX_HOSTS = 10_000;

/** Causes that lie with the host or the way to it, and not with one page. */
const HOST_CAUSES: readonly FailureCause[] = [
  'Blocked',
  'RateLimited',
  'Timeout',
  'DnsError',
  'ConnectionError',
  'TlsError',
  'RobotsUnavailable',
];

export type HostReports = {
  /**
   * True when the host goes by the proxy from now on, so that what it said on the direct way is over.
   * @param status of the answer, if there was one
   */
  readonly failed: (
    claim: Claim,
    failure: Failure,
    status: number | undefined,
    signal: AbortSignal,
  ) => Promise<boolean>;
  readonly answered: (claim: Claim, signal: AbortSignal) => Promise<void>;
};

export function createHostReports(options: {
  readonly store: Pick<WorkerStore, 'reportBlock' | 'reportFailure' | 'reportAnswer'>;
  readonly proxy: CrawlRunSpec['proxy'];
  readonly log: Logger;
}): HostReports {
  const { store, proxy, log } = options;
  const watch = proxy?.mode === 'Auto' ? { ...proxy, cooldownMs: durationMs(proxy.cooldown) } : undefined;
  /** Hosts whose failures this worker has told of since their last page. */
  const failing = new Set<string>();

  async function countFailure({ host, viaProxy }: Claim, { message }: Failure, signal: AbortSignal): Promise<boolean> {
    if (watch === undefined || viaProxy) return false;
    if (failing.size < MAX_HOSTS) failing.add(host);
    const { failureThreshold, cooldownMs } = watch;
    const evidence = `${failureThreshold} tries in a row failed, the last one: ${message}`;
    const isSwitched = await store.reportFailure(host, { failureThreshold, cooldownMs, evidence }, signal);
    if (isSwitched) log.warn({ host, failureThreshold, cooldownMs, error: message }, 'host goes to the proxy');
    return isSwitched;
  }

  return {
    async failed(claim, failure, status, signal) {
      const { cause, message } = failure;
      if (cause === 'Blocked') await store.reportBlock(claim.host, message, signal);
      const isOfHost = HOST_CAUSES.includes(cause) || status === 403 || (status ?? 0) >= 500;
      return isOfHost && countFailure(claim, failure, signal);
    },
    async answered(claim, signal) {
      if (!claim.isTroubled && !failing.delete(claim.host)) return;
      await store.reportAnswer(claim.host, signal);
    },
  };
}
