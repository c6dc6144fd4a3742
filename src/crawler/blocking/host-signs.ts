// What one try says of its host: whether a working server was met there.
import type { Claim, FailureCause } from '../../gateway/protocol/worker-store.ts';
import type { Failure } from '../failure.ts';

/**
 * `Answered`: a server is at work. `Silent`: nobody was reached in time. `Broken`: a server answered that it cannot work
 * (5xx). `Nothing`: the failure has nothing to do with the host.
 */
export type HostSign = 'Answered' | 'Silent' | 'Broken' | 'Nothing';

const SILENT_CAUSES: readonly FailureCause[] = ['Timeout', 'DnsError', 'ConnectionError', 'TlsError'];

/** @param status of the answer, if there was one */
export function hostSignOf({ cause }: Pick<Failure, 'cause'>, status: number | undefined): HostSign {
  // A guard in front of the site has answered, with whatever status.
  if (cause === 'Blocked') return 'Answered';
  if (cause === 'RobotsUnavailable') return 'Broken';
  if (status !== undefined) return status >= 500 ? 'Broken' : 'Answered';
  return SILENT_CAUSES.includes(cause) ? 'Silent' : 'Nothing';
}

/**
 * Whether the try counts as one more failure of the host in a row. A page that failed before may be at fault itself: it
 * says something of the host only where no page does better, and then only that nobody is reached.
 */
export function isOutage(sign: HostSign, { attempt, isProbe = false }: Pick<Claim, 'attempt' | 'isProbe'>): boolean {
  if (sign !== 'Silent' && sign !== 'Broken') return false;
  return attempt === 1 || (isProbe && sign === 'Silent');
}
