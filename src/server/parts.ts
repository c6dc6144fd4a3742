// What every room of routes is given.
import type { CrawlBackfill, CrawlRun, CrawlSchedule } from '../custom-resources/types.ts';
import type { KubeApi } from '../kube/client.ts';
import type { ResourceClient } from '../kube/resource-client.ts';
import type { ServerStore } from '../store/server-store.ts';
import type { Audit } from './audit/audit.ts';
import type { Access } from './auth/access.ts';
import type { NamedTokens } from './auth/named-tokens.ts';
import { ProblemError } from './http/problem.ts';
import type { KnownRuns } from './runs/known-runs.ts';
import type { LiveState } from './stream/live-state.ts';

export type ServerParts = {
  readonly api: KubeApi;
  readonly schedules: ResourceClient<CrawlSchedule>;
  readonly runs: ResourceClient<CrawlRun>;
  /** Those in memory, for lists. */
  readonly knownRuns: KnownRuns;
  readonly backfills: ResourceClient<CrawlBackfill>;
  readonly access: Access;
  readonly tokens: NamedTokens;
  readonly audit: Audit;
  readonly now: () => Date;
  /** The operator that leads, by its Lease; nothing where there is no Lease. Rejects with a KubeError. */
  readonly leader: (signal: AbortSignal) => Promise<{ readonly holder?: string; readonly renewedAt?: string }>;
  readonly live: LiveState;
  /** Undefined without a login to PostgreSQL. */
  readonly store?: ServerStore;
};

/** Throws an Unavailable where the server has no database. */
export function databaseOf({ store }: ServerParts): ServerStore {
  if (store !== undefined) return store;
  throw new ProblemError('Unavailable', 'this server has no login to PostgreSQL: set TRAWLER_DATABASE_URL_FILE');
}
