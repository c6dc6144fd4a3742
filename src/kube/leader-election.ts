// One operator works at a time: leadership by a Lease, judged by locally observed time only.
import type { Logger } from '../telemetry/logger.ts';
import type { KubeApi } from './client.ts';
import type { KubeMetrics } from './metrics.ts';

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

/** `stopped`: the signal was aborted; `finished`: the work came to its end; `lost`: another may lead, so exit. */
export type LeadershipEnd = 'stopped' | 'finished' | 'lost';

/** Waits for the leadership, runs the work, releases the lease. Rejects only with what the work throws. */
export async function runAsLeader(_options: LeaderElectionOptions): Promise<LeadershipEnd> {
  throw new Error('not implemented');
}
