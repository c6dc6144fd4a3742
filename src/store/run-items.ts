// All items of a run in the order in which they were stored, page by page, for programs that read the database directly.
import type pg from 'pg';
import { query } from './connection.ts';

export type RunItem = {
  /** Its place in the order of all items. */
  readonly id: string;
  readonly source: string;
  readonly url: string;
  readonly data: Readonly<Record<string, unknown>>;
};

export type RunItems = {
  /** The next items after the given one, from the start without it; none at the end. */
  readonly page: (after: string | undefined, signal: AbortSignal) => Promise<readonly RunItem[]>;
  /** The names of all fields that items have. */
  readonly fields: (signal: AbortSignal) => Promise<readonly string[]>;
};

const PAGE = `
  select i.item_id::text as id, s.name as source, r.url, i.data
  from run
  join item i using (run_day, run_id)
  join request r using (run_day, run_id, url_key)
  join source s on s.run_id = i.run_id and s.source_no = i.source_no
  where run.run_id = $1 and i.item_id > $2
  order by i.item_id limit 200`;

const FIELDS = `
  select distinct key from run join item i using (run_day, run_id) cross join lateral jsonb_object_keys(i.data) key
  where run.run_id = $1`;

export function createRunItems(pool: pg.Pool, runId: string): RunItems {
  return {
    page: (after, signal) => query<RunItem>(pool, () => ({ text: PAGE, values: [runId, after ?? '-1'] }), signal),
    async fields(signal) {
      const rows = await query<{ key: string }>(pool, () => ({ text: FIELDS, values: [runId] }), signal);
      return rows.map(({ key }) => key);
    },
  };
}
