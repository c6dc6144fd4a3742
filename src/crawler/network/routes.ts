// Which way a host is asked: directly, or by the proxy of the run's spec. A worker learns it with each claim, so that
// all workers of a host go the same way.
import QuickLRU from 'quick-lru';
import type { Claim } from '../../store/worker-store.ts';
import type { Logger } from '../../telemetry/logger.ts';

/** Hosts whose way is kept in mind. */
const MAX_HOSTS = 10_000;

export type Routes = {
  /** Takes note of what the claim says of its host. */
  readonly learn: (claim: Claim) => void;
  readonly isProxied: (host: string) => boolean;
};

/** Every host goes the same way. */
export function fixedRoutes(isProxied: boolean): Routes {
  return { learn: () => {}, isProxied: () => isProxied };
}

/** Each host goes the way that its last claim told. */
export function learntRoutes(log: Logger): Routes {
  const proxied = new QuickLRU<string, true>({ maxSize: MAX_HOSTS });
  return {
    learn({ host, viaProxy = false }) {
      if (viaProxy === proxied.has(host)) return;
      log.info({ host }, viaProxy ? 'host is asked through the proxy' : 'host is asked directly again');
      if (!viaProxy) proxied.delete(host);
      else proxied.set(host, true);
    },
    isProxied: (host) => proxied.has(host),
  };
}
