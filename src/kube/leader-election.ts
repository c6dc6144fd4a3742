// One operator works at a time: leadership by a Lease, judged by locally observed time only.
//
// A candidate never compares its clock with the times in the Lease, as clocks differ: it waits until the Lease has not
// changed for its whole duration. The leader gives up well before that, when it could not renew for renewDeadlineMs.
// There is no fencing: a leader that was paused may still send a request after another has taken over. Deterministic
// names and preconditions make such a write fail.
import type { Logger } from '../telemetry/logger.ts';
import { LEASES, type Lease } from './builtin-types.ts';
import type { KubeApi } from './client.ts';
import { delay, withDeadline } from './delay.ts';
import { isAlreadyExists, isConflict } from './kube-error.ts';
import type { KubeMetrics } from './metrics.ts';
import type { ResourceClient } from './resource-client.ts';
import { microTime } from './time.ts';

export interface LeaderElectionOptions {
  api: KubeApi;
  namespace: string;
  /** The Lease's name. */
  name: string;
  /** Who we are: unique for each process, for example `<pod name>_<uuid>`. */
  identity: string;
  logger: Logger;
  metrics: KubeMetrics;
  /** Ends the candidacy; the lease is held until the work has ended, then released. */
  signal: AbortSignal;
  /** Runs while leading. Its signal is aborted when the leadership is lost or the candidacy ends. */
  work: (leading: AbortSignal) => Promise<void>;
  timing?: LeaseTiming;
}

export interface LeaseTiming {
  /** Others wait so long after the last renewal they saw. Default 15,000 ms. */
  leaseDurationMs: number;
  /** The leader gives up when it could not renew for so long. Default 10,000 ms. */
  renewDeadlineMs: number;
  /** Between two attempts. Default 2,000 ms. */
  retryPeriodMs: number;
}

/** The numbers of Kubernetes' own components. */
const TIMING: LeaseTiming = { leaseDurationMs: 15_000, renewDeadlineMs: 10_000, retryPeriodMs: 2_000 };
/** One attempt; a hanging connection must leave time for the next attempts before the deadline. */
const ATTEMPT_MS = 4_000;

/**
 * `stopped`: the signal was aborted; `finished`: the work came to its end; `lost`: another may lead, so exit at once. The
 * work may be under way still, when it did not end before another may lead.
 */
export type LeadershipEnd = 'stopped' | 'finished' | 'lost';

/** The reason with which the work's signal is aborted when the leadership is lost. */
export class LeadershipLostError extends Error {
  override readonly name = 'LeadershipLostError';
}

/** Waits for the leadership, runs the work, releases the lease. Rejects only with what the work throws. */
export async function runAsLeader(options: LeaderElectionOptions): Promise<LeadershipEnd> {
  const { signal, metrics, name } = options;
  const timing = options.timing ?? TIMING;
  const logger = options.logger.child({ lease: `${options.namespace}/${name}`, identity: options.identity });
  const leases = options.api.resource<Lease>(LEASES, { rateLimited: false });

  const candidate: Candidate = { ...options, logger, timing };

  const held = await acquire(leases, candidate);
  if (held === undefined) return 'stopped';
  logger.info('leading');
  metrics.leader.set({ lease: name }, 1);

  const leading = new AbortController();
  const stop = () => leading.abort(signal.reason);
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  const workEnded = new AbortController();
  const renewing = keepRenewing(leases, held, { ...candidate, until: workEnded.signal }).then((end) => {
    if (end.lost) leading.abort(new LeadershipLostError('the lease could not be renewed in time'));
    return end;
  });

  let end: RenewalEnd = { lost: true, endBy: 0 };
  try {
    await Promise.race([options.work(leading.signal), drainTimeOver(renewing, workEnded.signal, logger)]);
  } finally {
    workEnded.abort();
    signal.removeEventListener('abort', stop);
    end = await renewing;
    metrics.leader.set({ lease: name }, 0);
    if (!end.lost) await release(leases, candidate);
  }
  if (end.lost) return 'lost';
  return signal.aborted ? 'stopped' : 'finished';
}

/** Resolves when the leadership is lost and the work has not ended by the time at which another may lead. */
async function drainTimeOver(renewing: Promise<RenewalEnd>, workEnded: AbortSignal, logger: Logger): Promise<void> {
  const end = await renewing;
  if (!end.lost) return;
  const ended = await delay(Math.max(0, end.endBy - performance.now()), workEnded).then(
    () => false,
    () => true,
  );
  if (!ended) logger.error('the work did not end before another may lead: this process has to end at once');
}

interface Candidate {
  namespace: string;
  name: string;
  identity: string;
  logger: Logger;
  signal: AbortSignal;
  timing: LeaseTiming;
}

/** A lease that is ours, and when (on the monotonic clock) the request that made it so was sent. */
interface HeldLease {
  lease: Lease;
  renewedAt: number;
}

/** Undefined when the signal was aborted first. */
async function acquire(leases: ResourceClient<Lease>, candidate: Candidate): Promise<HeldLease | undefined> {
  const { signal, timing, logger } = candidate;
  let observed: ObservedLease | undefined;
  while (!signal.aborted) {
    const startedAt = performance.now();
    try {
      const current = await withDeadline(ATTEMPT_MS, signal, (s) => leases.get(candidate, { signal: s }));
      observed = observe(observed, current, performance.now());
      if (mayTake(observed, candidate.identity, performance.now(), timing.leaseDurationMs)) {
        const lease = await withDeadline(ATTEMPT_MS, signal, (s) => take(leases, current, candidate, s));
        return { lease, renewedAt: startedAt };
      }
    } catch (error) {
      if (signal.aborted) return undefined;
      // Another candidate was faster.
      const beaten = isConflict(error) || isAlreadyExists(error);
      logger[beaten ? 'debug' : 'warn']({ err: error }, 'could not acquire the lease');
    }
    // Candidates that started together must not ask together for ever.
    await delay(timing.retryPeriodMs * (1 + Math.random() * 0.2), signal).catch(() => undefined);
  }
  return undefined;
}

/** What a candidate knows of the lease: its content, and since when it has not changed. */
export interface ObservedLease {
  lease: Lease | undefined;
  /** On the local monotonic clock, in milliseconds. */
  unchangedSince: number;
}

/** The observation after another look: only a change of the lease starts the waiting again. */
export function observe(before: ObservedLease | undefined, lease: Lease | undefined, now: number): ObservedLease {
  const unchanged = before !== undefined && JSON.stringify(before.lease?.spec) === JSON.stringify(lease?.spec);
  return { lease, unchangedSince: unchanged ? before.unchangedSince : now };
}

/** Whether nobody holds the lease, we do (from before a restart of the candidacy), or its holder has not renewed it. */
export function mayTake(observed: ObservedLease, identity: string, now: number, leaseDurationMs: number): boolean {
  const spec = observed.lease?.spec;
  if (!spec?.holderIdentity || spec.holderIdentity === identity) return true;
  // The holder's own promise counts when it is longer than ours.
  const promisedMs = Math.max(leaseDurationMs, (spec.leaseDurationSeconds ?? 0) * 1000);
  return now - observed.unchangedSince >= promisedMs;
}

function take(
  leases: ResourceClient<Lease>,
  current: Lease | undefined,
  { namespace, name, identity, timing }: Candidate,
  signal: AbortSignal,
): Promise<Lease> {
  const now = microTime(new Date());
  const spec = {
    holderIdentity: identity,
    leaseDurationSeconds: Math.ceil(timing.leaseDurationMs / 1000),
    acquireTime: now,
    renewTime: now,
    leaseTransitions: (current?.spec?.leaseTransitions ?? -1) + 1,
  };
  if (current === undefined) return leases.create({ metadata: { namespace, name }, spec }, { signal });
  // Its resourceVersion is the precondition: of several candidates one succeeds.
  return leases.replace({ ...current, spec }, { signal });
}

/** How renewing ended: by `until`, or since the leadership is lost, and then when the work has to have ended. */
type RenewalEnd = { lost: false } | { lost: true; endBy: number };

/** Of the time between the leader's giving up and another's beginning, the part in which the work may end. */
const DRAIN_SHARE = 0.8;

/** Renews until told otherwise, or until the leadership is lost. `endBy` is a time of `performance.now()`. */
async function keepRenewing(
  leases: ResourceClient<Lease>,
  held: HeldLease,
  { identity, logger, timing, until }: Candidate & { until: AbortSignal },
): Promise<RenewalEnd> {
  let { lease, renewedAt } = held;
  const drainMs = (timing.leaseDurationMs - timing.renewDeadlineMs) * DRAIN_SHARE;
  const leftMs = () => timing.renewDeadlineMs - (performance.now() - renewedAt);
  for (;;) {
    await delay(Math.max(0, Math.min(timing.retryPeriodMs, leftMs())), until).catch(() => undefined);
    if (until.aborted) return { lost: false };
    // First of all: the process may have been paused during the delay.
    if (leftMs() <= 0) {
      logger.error('leadership lost: the lease could not be renewed in time');
      return { lost: true, endBy: renewedAt + timing.renewDeadlineMs + drainMs };
    }
    const startedAt = performance.now();
    try {
      // Never cut short: half a renewal leaves a version that we do not know.
      lease = await withDeadline(Math.min(leftMs(), ATTEMPT_MS), NEVER, (signal) => renew(leases, lease, signal));
      renewedAt = startedAt;
    } catch (error) {
      logger.warn({ err: error }, 'could not renew the lease');
      if (!isConflict(error)) continue;
      // A renewal whose answer was lost looks like a conflict, and so does somebody's edit.
      const current = await lookAgain(leases, lease);
      if (current === undefined) continue;
      if (current.spec?.holderIdentity !== identity) {
        logger.error({ holder: current.spec?.holderIdentity }, 'leadership lost: another took the lease');
        return { lost: true, endBy: performance.now() };
      }
      lease = current;
    }
  }
}

const NEVER = new AbortController().signal;

function renew(leases: ResourceClient<Lease>, lease: Lease, signal: AbortSignal): Promise<Lease> {
  const spec = { ...lease.spec, renewTime: microTime(new Date()) };
  return leases.replace({ ...lease, spec }, { signal });
}

async function lookAgain(leases: ResourceClient<Lease>, lease: Lease): Promise<Lease | undefined> {
  const get = (signal: AbortSignal) => leases.get(lease.metadata, { signal });
  return withDeadline(ATTEMPT_MS, NEVER, get).catch(() => undefined);
}

/** Lets the next candidate start at once. A failure costs the others no more than the lease's duration. */
async function release(leases: ResourceClient<Lease>, { namespace, name, identity, logger }: Candidate): Promise<void> {
  try {
    await withDeadline(ATTEMPT_MS, NEVER, async (signal) => {
      const lease = await leases.get({ namespace, name }, { signal });
      if (lease?.spec?.holderIdentity !== identity) return;
      const { holderIdentity: _, ...rest } = lease.spec;
      const spec = { ...rest, leaseDurationSeconds: 1, renewTime: microTime(new Date()) };
      await leases.replace({ ...lease, spec }, { signal });
    });
    logger.info('lease released');
  } catch (error) {
    logger.warn({ err: error }, 'could not release the lease');
  }
}
