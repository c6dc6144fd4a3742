// What a run knows, held against a spec that was edited on its way: part by part, in the order of the keys, so that no transaction
// is as long as the queue. The place is kept in the database: whoever comes next goes on there. Judged by the code that workers use.
import { CompiledQuery, type Kysely, sql } from 'kysely';
import { createObjections, type KnownRequest } from '../crawler/urls/objections.ts';
import { createScope } from '../crawler/urls/scope.ts';
import type { CrawlRunSpec } from '../resources/crawl-run.ts';
import type { Database } from './schema.ts';

/** Requests of one part. */
const PART = 2_000;

/** Below every key. */
const FIRST_KEY = '00000000-0000-0000-0000-000000000000';

/** Counts under a name of its own: what the operator does otherwise locks counters and lanes in another order. */
const REVIEWER_ID = '00000000-0000-0000-0000-000000000001';

/** What a change means for what a run knows. */
export type Verdict = 'Excluded' | 'MaxDepth' | 'QueueAgain' | 'ReadAgain';

type Row = KnownRequest & {
  readonly key: string;
  readonly state: 'queued' | 'done' | 'skipped' | 'dead';
  readonly reason: string | null;
  /** The depth limit for which some of its links were left out. */
  readonly cutAt: number | null;
};

/** Of one part: the last key that was looked at, null at the end, and the requests that a change may mean something for. */
export type Part = { readonly last: string | null; readonly rows: readonly Row[] };

export type Moved = readonly { readonly source: string; readonly url: string }[];

/** Undefined where everything stays as it is. */
export function createJudge(spec: CrawlRunSpec, moved: Moved): (row: Omit<Row, 'key'>) => Verdict | undefined {
  const scopes = new Map(
    spec.sources.map((source) => {
      const places = moved.flatMap(({ source: name, url }) => (name === source.name ? (URL.parse(url) ?? []) : []));
      return [source.name, createScope(source, places)];
    }),
  );
  const objectionTo = createObjections(spec, (name) => scopes.get(name), 'Unread');
  const { maxDepth = Number.POSITIVE_INFINITY } = spec.limits;
  return (row) => {
    if (row.state === 'queued') return objectionTo(row);
    if (row.state === 'skipped' && (row.reason === 'Excluded' || row.reason === 'MaxDepth'))
      return objectionTo(row) === undefined ? 'QueueAgain' : undefined;
    return row.cutAt !== null && row.cutAt < maxDepth ? 'ReadAgain' : undefined;
  };
}

/** $1 day, $2 run, $3 after this key, $4 at most so many. */
const PART_OF_REQUESTS = `
  with looked as materialized (
    select url_key, source_no, url, depth, redirects, state, reason, is_sitemap, was_read,
      case jsonb_typeof(facts->'maxDepth') when 'number' then facts->'maxDepth' end as cut_at
    from request where run_day = $1 and run_id = $2 and url_key > $3 order by url_key limit $4
  )
  select case when count(*) = $4 then (array_agg(url_key order by url_key desc))[1] end as last,
    coalesce(json_agg(json_build_object('key', url_key, 'source', name, 'url', url, 'depth', depth, 'redirects', redirects,
      'state', state, 'reason', reason, 'cutAt', cut_at)) filter (where not is_sitemap and case
        when state = 'queued' then not was_read
        when state = 'skipped' and reason in ('Excluded', 'MaxDepth') then true
        else state <> 'leased' and cut_at is not null end), '[]') as rows
  from looked join source using (source_no) where source.run_id = $2`;

/** What an edit would do: how many requests it means each of these for, and the first of those that it would skip. */
export type ReviewPreview = Readonly<Record<Verdict, number>> & { readonly skipped: readonly string[] };

/** Shown of what would be skipped. */
const MOST_SHOWN = 20;

/**
 * Counts what a review would do, part by part, and changes nothing. What workers find meanwhile is not in it.
 * @param day the run's
 */
export async function previewReview(
  read: (text: string, values: readonly unknown[]) => Promise<readonly Part[]>,
  { runId, day, spec, moved }: { runId: string; day: string; spec: CrawlRunSpec; moved: Moved },
): Promise<ReviewPreview> {
  const judge = createJudge(spec, moved);
  const counts = { Excluded: 0, MaxDepth: 0, QueueAgain: 0, ReadAgain: 0 };
  const skipped: string[] = [];
  for (let after: string | null = FIRST_KEY; after !== null; ) {
    const [part]: readonly Part[] = await read(PART_OF_REQUESTS, [day, runId, after, PART]);
    for (const row of part?.rows ?? []) {
      const verdict = judge(row);
      if (verdict === undefined) continue;
      counts[verdict]++;
      if ((verdict === 'Excluded' || verdict === 'MaxDepth') && skipped.length < MOST_SHOWN) skipped.push(row.url);
    }
    after = part?.last ?? null;
  }
  return { ...counts, skipped };
}

/** Looks at one part, and does with it what the change means. False when nothing is left to be looked at. */
export async function reviewPart(db: Kysely<Database>, runId: string, signal: AbortSignal): Promise<boolean> {
  const { rows: reviews } = await sql<{
    version: number;
    reviewedTo: string | null;
    day: string;
    spec: CrawlRunSpec;
    moved: Moved;
  }>`
    select q.live_version as version, q.reviewed_to as "reviewedTo", run_day::text as day, spec,
      coalesce((select json_agg(json_build_object('source', s.name, 'url', m.url))
        from moved_place m join source s using (run_id, source_no) where m.run_id = q.run_id), '[]') as moved
    from queue_review q join run using (run_id) join run_spec using (run_id) where q.run_id = ${runId}`.execute(db, {
    signal,
  });
  const [review] = reviews;
  if (review === undefined) return false;
  const { version, reviewedTo, day, spec, moved } = review;
  // What comes later was judged by those who know of the change, or is judged again when it is claimed.
  if (reviewedTo === null) await sql`select await_calls(${runId}::uuid)`.execute(db, { signal });
  const values = [day, runId, reviewedTo ?? FIRST_KEY, PART];
  const { rows: parts } = await db.executeQuery<Part>(CompiledQuery.raw(PART_OF_REQUESTS, values), { signal });
  const { last, rows } = parts[0] ?? { last: null, rows: [] };
  const judge = createJudge(spec, moved);
  const judged = rows.map((row) => ({ key: row.key, verdict: judge(row) }));
  const keysOf = (wanted: Verdict) => judged.filter(({ verdict }) => verdict === wanted).map(({ key }) => key);
  const { rows: answers } = await sql<{ isInForce: boolean }>`
    select review_queue(${runId}::uuid, ${version}::int, ${REVIEWER_ID}::uuid, ${last}::uuid, ${keysOf('Excluded')}::uuid[],
      ${keysOf('MaxDepth')}::uuid[], ${keysOf('QueueAgain')}::uuid[], ${keysOf('ReadAgain')}::uuid[]) as "isInForce"`.execute(
    db,
    { signal },
  );
  return last !== null || answers[0]?.isInForce !== true;
}
