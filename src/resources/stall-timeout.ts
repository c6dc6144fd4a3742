// How long a worker may stand still with pages open before it is taken for one that hangs.
import { durationMs } from './duration.ts';

/** Several times what a page has, so that neither one slow page nor a pause of the gateway is taken for a worker that hangs. */
export const DEFAULT_STALL_TIMEOUT = '5m';

/** In milliseconds; at least twice what one page has, which may wait for all of that. */
export function stallTimeoutMs({
  heartbeat,
  fetch,
}: {
  /** Specs that an earlier release has stored lack it. */
  readonly heartbeat: { readonly stallTimeout?: string };
  readonly fetch: { readonly pageTimeout: string };
}): number {
  const { stallTimeout = DEFAULT_STALL_TIMEOUT } = heartbeat;
  return Math.max(durationMs(stallTimeout), 2 * durationMs(fetch.pageTimeout));
}
