// What the API server reads of comparisons: the changes of a schedule's runs as one feed.
import type pg from 'pg';
import type { Change } from './comparison-store.ts';
import { query } from './connection.ts';

/** Where a reader of the feed stands: a comparison, by when it was done, and the last change of it that was read. */
export type FeedPosition = { readonly at: string; readonly runId: string; readonly after: string };

export type FeedRow = Omit<Change, 'id'> & { readonly run: string; readonly position: FeedPosition };

export type FeedQuery = {
  readonly namespace: string;
  readonly schedule: string;
  readonly kind?: Change['kind'];
  readonly change?: Exclude<Change['change'], 'Unchanged'>;
  readonly since?: FeedPosition;
  readonly limit: number;
};

/** Every call rejects with a StoreError. */
export type ChangeReads = {
  /** In the order in which comparisons were done, and of one the order of its changes. Runs whose results are dropped are not in it. */
  changeFeed(feed: FeedQuery, signal: AbortSignal): Promise<readonly FeedRow[]>;
};

/**
 * The operator compares one run after the other, so none is done later with an earlier time. `as materialized`: comparisons are
 * few, and are chosen before their changes.
 */
const FEED = `
  with compared as materialized (
    select c.run_id, c.finished_at, run.run_day, run.name
    from execution e join comparison c on c.run_id = e.execution_id join run on run.run_id = c.run_id
    where e.namespace = $1 and e.schedule_name = $2 and e.type = 'Crawl' and c.step = 'End' and c.finished_at is not null
      and ($3::timestamptz is null or (c.finished_at, c.run_id) >= ($3::timestamptz, $4::uuid))
    order by c.finished_at, c.run_id
  )
  select d.name as run, x.kind, x.change, s.name as source, x.url, x.label as item, x.fields,
    json_build_object('at', d.finished_at::text, 'runId', d.run_id, 'after', x.change_id::text) as position
  from compared d
  cross join lateral (
    select * from change c
    where c.run_day = d.run_day and c.run_id = d.run_id
      and c.change_id > case when d.run_id = $4::uuid then $5::bigint else 0 end
      and ($6::text is null or c.kind = $6) and ($7::text is null or c.change = $7)
    order by c.change_id limit $8
  ) x
  join source s on s.run_id = x.run_id and s.source_no = x.source_no
  order by d.finished_at, d.run_id, x.change_id limit $8`;

export function createChangeReads(pool: pg.Pool): ChangeReads {
  return {
    async changeFeed({ namespace, schedule, kind, change, since, limit }, signal) {
      const place = [since?.at ?? null, since?.runId ?? null, since?.after ?? null];
      const values = [namespace, schedule, ...place, kind ?? null, change ?? null, limit];
      type Row = FeedRow & { readonly item: string | null; readonly fields: Change['fields'] | null };
      const rows = await query<Row>(pool, () => ({ text: FEED, values }), signal);
      return rows.map(({ item, fields, ...row }) => ({
        ...row,
        ...(item === null ? {} : { item }),
        ...(fields === null ? {} : { fields }),
      }));
    },
  };
}
