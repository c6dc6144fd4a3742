// A spec that is edited while its run lives: what of it is in the database, in force for the next claim.
import { type Kysely, sql } from 'kysely';
import type { CrawlRunSpec } from '../resources/crawl-run.ts';
import { hostSpacingMs, shareWeight } from '../resources/politeness.ts';
import type { ChangedRun } from './operator-store.ts';
import type { Database } from './schema.ts';

/**
 * Each statement on its own, and the generation last: claims lock the same rows in another order, and what is cut off
 * begins anew. What was changed, for people.
 */
export async function changeRun(
  db: Kysely<Database>,
  { runId, spec, specGeneration }: ChangedRun,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const known = await db
    .selectFrom('run')
    .innerJoin('run_spec', 'run_spec.run_id', 'run.run_id')
    .select(['run_spec.spec', 'run.delay_ms'])
    .where('run.run_id', '=', runId)
    .where('finished_at', 'is', null)
    .executeTakeFirst({ signal });
  if (known === undefined) return [];
  const changes = changesOf(known.spec, spec);
  if (changes.length > 0) {
    await putInForce(db, runId, known.spec, sameSources(known.spec, spec), known.delay_ms, signal);
  }
  await db.updateTable('run').set({ spec_generation: specGeneration }).where('run_id', '=', runId).execute({ signal });
  return changes;
}

async function putInForce(
  db: Kysely<Database>,
  runId: string,
  before: CrawlRunSpec,
  spec: CrawlRunSpec,
  delayBefore: number,
  signal: AbortSignal,
): Promise<void> {
  const [delay, weight] = [hostSpacingMs(spec.politeness), shareWeight(spec.priority)];
  await db
    .updateTable('run')
    .set({
      max_pages: spec.limits.maxPages,
      delay_ms: delay,
      share_weight: weight,
      is_pace_changed: sql`is_pace_changed or ${delay !== delayBefore}`,
    })
    .where('run_id', '=', runId)
    .execute({ signal });
  // Places that were granted under the limit of before.
  await db
    .updateTable('worker')
    .set({ places_granted: 0 })
    .where('run_id', '=', runId)
    .where('places_granted', '>', 0)
    .execute({ signal });
  await db.updateTable('host_share').set({ weight }).where('run_id', '=', runId).execute({ signal });
  // Before the generation: it is what the next look compares with.
  const { isForWorkers, wantsReview } = reachOf(before, spec);
  await sql`
    select change_live_spec(${runId}::uuid, ${JSON.stringify(spec)}::jsonb, ${spec.limits.maxDepth ?? null}::int,
      ${isForWorkers}::boolean, ${wantsReview}::boolean)`.execute(db, { signal });
}

/** Whether workers go by what was changed, and whether what is known of the run already is to be held against it. */
function reachOf(before: CrawlRunSpec, after: CrawlRunSpec): { isForWorkers: boolean; wantsReview: boolean } {
  const [old, now] = [scopeFields(before), scopeFields(after)];
  const wantsReview = Object.keys(now).some((field) => old[field] !== now[field]);
  return { wantsReview, isForWorkers: wantsReview || before.concurrency !== after.concurrency };
}

/** A retry has sources switched off that its CrawlRun does not. */
function sameSources(before: CrawlRunSpec, after: CrawlRunSpec): CrawlRunSpec {
  const inactive = new Set(before.sources.filter(({ active }) => !active).map(({ name }) => name));
  return { ...after, sources: after.sources.map((source) => ({ ...source, active: !inactive.has(source.name) })) };
}

/** As `field: before -> after`. */
export function changesOf(before: CrawlRunSpec, after: CrawlRunSpec): readonly string[] {
  const [old, now] = [liveFields(before), liveFields(after)];
  return Object.entries(now).flatMap(([field, value]) =>
    old[field] === value ? [] : [`${field}: ${old[field]} -> ${value}`],
  );
}

function liveFields(spec: CrawlRunSpec): Record<string, unknown> {
  const { workers, concurrency, priority, timeoutSeconds, limits, politeness } = spec;
  return {
    workers,
    concurrency,
    priority,
    timeoutSeconds,
    'limits.maxPages': limits.maxPages,
    'politeness.requestsPerSecond': politeness.requestsPerSecond,
    'politeness.delay': politeness.delay,
    ...scopeFields(spec),
  };
}

/** What says which of the links that were found are crawled. */
function scopeFields({ limits, sources }: CrawlRunSpec): Record<string, unknown> {
  return {
    'limits.maxDepth': limits.maxDepth ?? 'none',
    ...Object.fromEntries(
      sources.map(({ name, scope }) => [`sources[${name}].scope.exclude`, JSON.stringify(scope.exclude)]),
    ),
  };
}
