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

/** Items of one page; fewer where they are large, see below. */
const MOST_ITEMS = 1_000;
/** What those of one page take in PostgreSQL, at most; the first one is always there. */
const MOST_BYTES = 2_097_152;

/**
 * The day goes in as a value, and the items are taken before anything is joined: so the page is a piece of the key's index of one partition,
 * however many items come after it. $1 run, $2 after this item, $3 its day.
 */
const PAGE = `
  with page as materialized (
    select item_id, url_key, source_no, data, sum(size) over (order by item_id) - size as bytes_before
    from (
      select item_id, url_key, source_no, data, pg_column_size(data) as size from item
      where run_day = $3 and run_id = $1 and item_id > $2 order by item_id limit ${MOST_ITEMS}
    ) i
  )
  select i.item_id::text as id, s.name as source, r.url, i.data
  from page i
  join request r on r.run_day = $3 and r.run_id = $1 and r.url_key = i.url_key
  join source s on s.run_id = $1 and s.source_no = i.source_no
  where i.bytes_before < ${MOST_BYTES}
  order by i.item_id`;

const FIELDS = `
  select distinct key from item i cross join lateral jsonb_object_keys(i.data) key where run_day = $2 and run_id = $1`;

const DAY = `select run_day::text as day from run where run_id = $1`;

export function createRunItems(pool: pg.Pool, runId: string): RunItems {
  let known: string | undefined;
  /** The run's, which never changes; undefined for a run that is not there. */
  async function dayOf(signal: AbortSignal): Promise<string | undefined> {
    known ??= (await query<{ day: string }>(pool, () => ({ text: DAY, values: [runId] }), signal))[0]?.day;
    return known;
  }
  return {
    async page(after, signal) {
      const values = [runId, after ?? '-1', await dayOf(signal)];
      return query<RunItem>(pool, () => ({ text: PAGE, values, name: 'run-items' }), signal);
    },
    async fields(signal) {
      const values = [runId, await dayOf(signal)];
      const rows = await query<{ key: string }>(pool, () => ({ text: FIELDS, values }), signal);
      return rows.map(({ key }) => key);
    },
  };
}
