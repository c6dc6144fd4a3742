// What this worker reports of hosts, for all workers: that a host refuses the crawl, does not answer, or gives pages again.
import QuickLRU from 'quick-lru';
import type { Claim, FailureCause, WorkerStore } from '../../gateway/protocol/worker-store.ts';
import type { CrawlRunSpec } from '../../resources/crawl-run.ts';
import { durationMs } from '../../resources/duration.ts';
import type { Logger } from '../../telemetry/logger.ts';
import { hostSignOf, isOutage } from '../blocking/host-signs.ts';
import type { Failure } from '../failure.ts';

/** Hosts that are remembered as failing. */
const MAX_HOSTS = 10_000;

/** How long before its place has come a claim is made at most, see claim_requests. */
const CLAIMED_AHEAD_MS = 500;

/** Causes that lie with the host or the route to it, and not with one page: another route may help. */
const HOST_CAUSES: readonly FailureCause[] = [
  'Blocked',
  'RateLimited',
  'Timeout',
  'DnsError',
  'ConnectionError',
  'TlsError',
  'RobotsUnavailable',
];

/** What a failure has made of its host. */
export type HostVerdict = {
  /** The host goes by the proxy from now on, so that what it said on the direct route is over. */
  readonly isSwitched: boolean;
  /** Until the host is asked again, in milliseconds, where it is parked; 0 otherwise. */
  readonly parkedMs: number;
};

export type HostReports = {
  /** @param status of the answer, if there was one */
  readonly failed: (
    claim: Claim,
    failure: Failure,
    status: number | undefined,
    signal: AbortSignal,
  ) => Promise<HostVerdict>;
  /** The host has answered otherwise than with a page. */
  readonly answered: (claim: Claim, signal: AbortSignal) => Promise<void>;
  readonly gavePage: (claim: Claim, signal: AbortSignal) => Promise<void>;
  /** Whether the claim was made before its host was found parked: it is given back instead of being tried. */
  readonly isParked: (claim: Claim) => boolean;
};

const UNCHANGED: HostVerdict = { isSwitched: false, parkedMs: 0 };

export function createHostReports(options: {
  readonly store: Pick<
    WorkerStore,
    'reportBlock' | 'reportFailure' | 'reportAnswer' | 'reportOutage' | 'reportReachable'
  >;
  readonly proxy: CrawlRunSpec['proxy'];
  readonly log: Logger;
}): HostReports {
  const { store, proxy, log } = options;
  const watch = proxy?.mode === 'Auto' ? { ...proxy, cooldownMs: durationMs(proxy.cooldown) } : undefined;
  /** Hosts whose failures on the direct route, or outages, this worker has reported since they last did better. */
  const failing = new QuickLRU<string, true>({ maxSize: MAX_HOSTS });
  const unreachable = new QuickLRU<string, true>({ maxSize: MAX_HOSTS });
  /** When this worker found hosts parked, by `performance.now()`. */
  const parkedAt = new QuickLRU<string, number>({ maxSize: MAX_HOSTS });

  async function countDirectFailure({ host }: Claim, { message }: Failure, signal: AbortSignal): Promise<boolean> {
    if (watch === undefined) return false;
    failing.set(host, true);
    const { failureThreshold, cooldownMs } = watch;
    const evidence = `${failureThreshold} tries in a row failed, the last one: ${message}`;
    const isSwitched = await store.reportFailure(host, { failureThreshold, cooldownMs, evidence }, signal);
    if (isSwitched) log.warn({ host, failureThreshold, cooldownMs, error: message }, 'host goes to the proxy');
    return isSwitched;
  }

  async function countOutage({ host, from }: Claim, { message }: Failure, signal: AbortSignal): Promise<HostVerdict> {
    unreachable.set(host, true);
    const ageMs = Math.max(performance.now() - from, 0);
    const { state, pauseMs } = await store.reportOutage(host, ageMs, message, signal);
    if (state !== 'Parked' && state !== 'Down') return UNCHANGED;
    parkedAt.set(host, performance.now());
    if (state === 'Parked') log.warn({ host, pauseMs, error: message }, 'host does not answer: it is left alone');
    else log.warn({ host, error: message }, 'host does not answer: the run gives it up');
    return { isSwitched: false, parkedMs: pauseMs };
  }

  async function reachable({ host, isFailing = false }: Claim, signal: AbortSignal): Promise<void> {
    if (!unreachable.delete(host) && !isFailing) return;
    parkedAt.delete(host);
    await store.reportReachable(host, signal);
  }

  async function failed(
    claim: Claim,
    failure: Failure,
    status: number | undefined,
    signal: AbortSignal,
  ): Promise<HostVerdict> {
    const { cause, message } = failure;
    if (cause === 'Blocked') await store.reportBlock(claim.host, message, signal);
    const sign = hostSignOf(failure, status);
    if (sign === 'Answered') await reachable(claim, signal);
    const isOfHost = HOST_CAUSES.includes(cause) || status === 403 || (status ?? 0) >= 500;
    if (!isOfHost) return UNCHANGED;
    // As long as the host may still be reached by the proxy, its failures on the direct route lead there.
    const isDirect = watch !== undefined && claim.viaProxy !== true;
    if (isDirect && (await countDirectFailure(claim, failure, signal))) return { isSwitched: true, parkedMs: 0 };
    if ((isDirect && claim.isProbe !== true) || !isOutage(sign, claim)) return UNCHANGED;
    return countOutage(claim, failure, signal);
  }

  return {
    failed,
    answered: reachable,
    async gavePage(claim, signal) {
      await reachable(claim, signal);
      if (claim.isTroubled || failing.delete(claim.host)) await store.reportAnswer(claim.host, signal);
    },
    isParked: ({ host, from }) => from <= (parkedAt.get(host) ?? Number.NEGATIVE_INFINITY) + CLAIMED_AHEAD_MS,
  };
}
