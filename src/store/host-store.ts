// What people change of a host, through a run that asks it.
import type pg from 'pg';
import { query } from './connection.ts';

/** What a host was before it was reset. */
export type HostBefore = {
  /** How many times more slowly it was asked. */
  readonly slowdown: number;
  /** Until when it went by the proxy, ISO 8601; null where it did not. */
  readonly proxyUntil: string | null;
};

/** Every call rejects with a StoreError. */
export type HostStore = {
  /** Undefined where the run has ended, or does not know the host. */
  resetHost(runId: string, host: string, signal: AbortSignal): Promise<HostBefore | undefined>;
};

export function createHostStore(pool: pg.Pool): HostStore {
  return {
    async resetHost(runId, host, signal) {
      const statement = () => ({ text: 'select reset_host($1, $2) as before', values: [runId, host] });
      const [row] = await query<{ before: HostBefore | null }>(pool, statement, signal);
      return row?.before ?? undefined;
    },
  };
}
