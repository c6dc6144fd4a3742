// The route to a host: direct, or through the proxy of the run's spec. A worker learns it from each claim, so that all
// workers use the same route to a host.
import QuickLRU from 'quick-lru';
import type { Claim } from '../../gateway/protocol/worker-store.ts';
import { LOG_EVENTS } from '../../telemetry/log-events.ts';
import type { Logger } from '../../telemetry/logger.ts';

/** Hosts whose route is remembered. */
const MAX_HOSTS = 10_000;

export type Routes = {
  /** Remembers the route that the claim names for its host. */
  readonly learn: (claim: Claim) => void;
  readonly isProxied: (host: string) => boolean;
};

/** The same route for every host. */
export function fixedRoutes(isProxied: boolean): Routes {
  return { learn: () => {}, isProxied: () => isProxied };
}

/** For each host the route that its last claim named. */
export function learntRoutes(log: Logger): Routes {
  const proxied = new QuickLRU<string, true>({ maxSize: MAX_HOSTS });
  return {
    learn({ host, viaProxy = false }) {
      if (viaProxy === proxied.has(host)) return;
      log.info({ host, viaProxy }, LOG_EVENTS.proxySwitched.message);
      if (!viaProxy) proxied.delete(host);
      else proxied.set(host, true);
    },
    isProxied: (host) => proxied.has(host),
  };
}
