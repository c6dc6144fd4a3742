// The page of a run that was asked first: for a run that is made for one page.
import type pg from 'pg';
import type { FetchFacts } from '../gateway/protocol/worker-store.ts';
import { query } from './connection.ts';
import type { RunName } from './run-reads.ts';
import { withoutNulls } from './without-nulls.ts';

export type FirstPage = {
  readonly url: string;
  readonly state: 'queued' | 'leased' | 'done' | 'skipped' | 'dead';
  /** Why it was skipped or has failed. */
  readonly reason?: string;
  readonly message?: string;
  readonly facts?: Pick<FetchFacts, 'status' | 'durationMs'>;
  /** Of its first item. */
  readonly data?: Readonly<Record<string, unknown>>;
};

export type FirstPageReads = {
  /** Undefined where PostgreSQL knows no such run, or the run no page. Rejects with a StoreError. */
  firstPage(run: RunName, signal: AbortSignal): Promise<FirstPage | undefined>;
};

const FIRST_PAGE = `
  select q.url, q.state, q.reason, q.errors->-1->>'message' as message, q.facts,
    (select i.data from item i where i.run_id = q.run_id and i.run_day = q.run_day order by i.item_id limit 1) as data
  from (select run_id, run_day from run where namespace = $1 and name = $2 order by accepted_at desc limit 1) r
  join request q on q.run_id = r.run_id and q.run_day = r.run_day
  where not q.is_sitemap order by q.depth, q.url limit 1`;

export function createFirstPageReads(pool: pg.Pool): FirstPageReads {
  return {
    async firstPage({ namespace, run }, signal) {
      const statement = () => ({ text: FIRST_PAGE, values: [namespace, run] });
      const [row] = await query<FirstPage>(pool, statement, signal);
      return row && withoutNulls(row);
    },
  };
}
