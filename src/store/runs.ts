// Runs as the operator handles them: accepted, listed, stopped, ended.
import { type Kysely, sql } from 'kysely';
import { durationMs } from '../resources/duration.ts';
import { hostSpacingMs, shareWeight } from '../resources/politeness.ts';
import type { Acceptance, AcceptedRun, ActiveRun } from './operator-store.ts';
import type { Database } from './schema.ts';

/** Stands for the operator where counters and leases name a worker. */
export const OPERATOR_ID = '00000000-0000-0000-0000-000000000000';

/** A worker that missed this many heartbeats, and at least a minute's, has lost its leases. */
const MISSED_HEARTBEATS = 3;
const SHORTEST_LEASE_SECONDS = 60;

/** What became of each run, in their order; all in one transaction. */
export async function acceptRuns(
  db: Kysely<Database>,
  runs: readonly AcceptedRun[],
  signal: AbortSignal,
): Promise<readonly Acceptance[]> {
  return db.transaction().execute(async (trx) => {
    for (const day of new Set(runs.map((run) => run.runDay)))
      await sql`select ensure_day(${day})`.execute(trx, { signal });
    // By id, so that two transactions with the same runs never wait for each other in a circle.
    const inOrder = runs.toSorted((a, b) => (a.runId < b.runId ? -1 : 1));
    const inserted = await trx
      .insertInto('run')
      .values(inOrder.map(runRow))
      .onConflict((conflict) => conflict.doNothing())
      .returning('run_id')
      .execute({ signal });
    const created = new Set(inserted.map(({ run_id }) => run_id));
    const isNew = ({ runId }: AcceptedRun) => created.has(runId);
    await storeDetails(trx, runs.filter(isNew), signal);
    const over = new Set(await seedRetries(trx, runs.filter(isNew), signal));
    for (const { runId } of inOrder) {
      if (!created.has(runId) && (await isOver(trx, runId, signal))) over.add(runId);
    }
    await storeTokens(
      trx,
      runs.filter(({ runId }) => !over.has(runId)),
      signal,
    );
    return runs.map((run) => (over.has(run.runId) ? 'Finished' : isNew(run) ? 'Created' : 'Existing'));
  });
}

async function storeDetails(trx: Kysely<Database>, runs: readonly AcceptedRun[], signal: AbortSignal): Promise<void> {
  if (runs.length === 0) return;
  await trx
    .insertInto('run_spec')
    .values(
      runs.map(({ runId, specVersion, spec }) => ({ run_id: runId, version: specVersion, spec: JSON.stringify(spec) })),
    )
    .execute({ signal });
  await trx.insertInto('source').values(runs.flatMap(sourceRows)).execute({ signal });
  const withOutput = runs.filter(({ spec }) => spec.output !== undefined);
  if (withOutput.length > 0) {
    await trx
      .insertInto('output')
      .values(withOutput.map(({ runId }) => ({ run_id: runId })))
      .execute({ signal });
  }
}

/** Gives retries the dead letters that they are to take; the ids of those that have ended here, since there is nothing to take. */
async function seedRetries(
  trx: Kysely<Database>,
  runs: readonly AcceptedRun[],
  signal: AbortSignal,
): Promise<string[]> {
  const ended: string[] = [];
  for (const { runId, deadLettersOf, causes } of runs) {
    if (deadLettersOf === undefined) continue;
    const chosen = causes === undefined ? null : [...causes];
    const seed = sql`seed_dead_letters(${runId}::uuid, ${OPERATOR_ID}::uuid, ${deadLettersOf}::uuid, ${chosen}::text[])`;
    if (!(await call<boolean>(trx, seed, signal))) ended.push(runId);
  }
  return ended;
}

async function storeTokens(trx: Kysely<Database>, runs: readonly AcceptedRun[], signal: AbortSignal): Promise<void> {
  if (runs.length === 0) return;
  await trx
    .insertInto('run_token')
    .values(runs.map(({ tokenHash, runId }) => ({ token_hash: tokenHash, run_id: runId })))
    .onConflict((conflict) => conflict.doNothing())
    .execute({ signal });
}

function runRow({ spec, ...run }: AcceptedRun) {
  return {
    run_id: run.runId,
    run_day: run.runDay,
    namespace: run.namespace,
    name: run.name,
    schedule_uid: run.scheduleUid ?? null,
    scheduled_time: spec.trigger.scheduledTime === undefined ? null : new Date(spec.trigger.scheduledTime),
    trigger: spec.trigger.type,
    image: run.image ?? null,
    host_scope: run.namespace,
    delay_ms: hostSpacingMs(spec.politeness),
    share_weight: shareWeight(spec.priority),
    max_pages: spec.limits.maxPages,
    max_depth: spec.limits.maxDepth ?? null,
    is_depth_limited: [spec, ...spec.sources].some(({ limits }) => limits.maxDepth !== undefined),
    max_retries: spec.fetch.maxRetries,
    spec_generation: run.specGeneration ?? null,
    expected_fields: spec.expect?.fields?.map(({ name }) => name) ?? null,
    lease_seconds: Math.max(
      SHORTEST_LEASE_SECONDS,
      Math.ceil((MISSED_HEARTBEATS * durationMs(spec.heartbeat.interval)) / 1_000),
    ),
  };
}

function sourceRows({ runId, spec }: AcceptedRun) {
  return spec.sources.map((source, source_no) => ({
    run_id: runId,
    source_no,
    name: source.name,
    active: source.active,
    max_pages: source.limits.maxPages ?? null,
  }));
}

/** Finished, or cut off for good: such a run gets no new token. The row stays locked, so that it cannot end meanwhile. */
async function isOver(db: Kysely<Database>, runId: string, signal: AbortSignal): Promise<boolean> {
  const run = await db
    .selectFrom('run')
    .select('finished_at')
    .where('run_id', '=', runId)
    .forNoKeyUpdate()
    .executeTakeFirst({ signal });
  return run === undefined || run.finished_at !== null;
}

export async function activeRuns(db: Kysely<Database>, signal: AbortSignal): Promise<readonly ActiveRun[]> {
  const rows = await db
    .selectFrom('run')
    .select(['run_id', 'namespace', 'name'])
    .where('finished_at', 'is', null)
    .execute({ signal });
  return rows.map((row) => ({ runId: row.run_id, namespace: row.namespace, name: row.name }));
}

/** Goes from schedule to schedule in the index: years of runs are not read for one time of each. */
export async function newestScheduledTimes(
  db: Kysely<Database>,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Date>> {
  const { rows } = await sql<{ uid: string; newest: Date | null }>`
    with recursive schedule as (
      (select schedule_uid as uid from run where schedule_uid is not null order by schedule_uid limit 1)
      union all
      select (select schedule_uid from run where schedule_uid > schedule.uid order by schedule_uid limit 1)
      from schedule where schedule.uid is not null
    )
    select uid, (
      select scheduled_time from run where schedule_uid = uid and scheduled_time is not null
        and trigger in ('Schedule', 'CatchUp')
      order by scheduled_time desc limit 1) as newest
    from schedule where uid is not null`.execute(db, { signal });
  return new Map(rows.flatMap(({ uid, newest }) => (newest ? [[uid, newest]] : [])));
}

export async function requestStop(
  db: Kysely<Database>,
  runId: string,
  reason: string,
  signal: AbortSignal,
): Promise<boolean> {
  const run = await db
    .updateTable('run')
    .set({
      stop_reason: sql`coalesce(stop_reason, ${reason})`,
      stop_requested_at: sql`coalesce(stop_requested_at, clock_timestamp())`,
    })
    .where('run_id', '=', runId)
    .where('finished_at', 'is', null)
    .returning('run_id')
    .executeTakeFirst({ signal });
  return run !== undefined;
}

/** Stops it and waits for no page; also where it was asked to stop before. */
export async function terminateRun(db: Kysely<Database>, runId: string, signal: AbortSignal): Promise<void> {
  await db
    .updateTable('run')
    .set({
      terminates: true,
      stop_reason: sql`coalesce(stop_reason, 'Shutdown')`,
      stop_requested_at: sql`coalesce(stop_requested_at, clock_timestamp())`,
    })
    .where('run_id', '=', runId)
    .where('finished_at', 'is', null)
    .execute({ signal });
}

/** Its time stands still from now on. False when it has ended, or stands still already. */
export async function pauseRun(db: Kysely<Database>, runId: string, signal: AbortSignal): Promise<boolean> {
  const run = await db
    .updateTable('run')
    .set({ paused_at: sql`clock_timestamp()` })
    .where('run_id', '=', runId)
    .where('paused_at', 'is', null)
    .where('finished_at', 'is', null)
    .returning('run_id')
    .executeTakeFirst({ signal });
  return run !== undefined;
}

/** Its time goes on. What it stood still before its first heartbeat, when no time ran, is none of it. */
export async function resumeRun(db: Kysely<Database>, runId: string, signal: AbortSignal): Promise<void> {
  await db
    .updateTable('run')
    .set({
      paused_at: null,
      paused_seconds: sql`paused_seconds
        + case when started_at is null then 0
          else extract(epoch from clock_timestamp() - greatest(paused_at, started_at)) end`,
    })
    .where('run_id', '=', runId)
    .where('paused_at', 'is not', null)
    .execute({ signal });
}

export async function closeCrawl(
  db: Kysely<Database>,
  runId: string,
  outcome: string,
  message: string,
  signal: AbortSignal,
): Promise<boolean> {
  return call(db, sql`close_crawl(${runId}::uuid, ${outcome}, ${message}, ${OPERATOR_ID}::uuid)`, signal);
}

export async function finishStopped(
  db: Kysely<Database>,
  runId: string,
  outcome: string,
  message: string,
  signal: AbortSignal,
): Promise<boolean> {
  return call(db, sql`stop_run(${runId}::uuid, ${outcome}, ${message}, ${OPERATOR_ID}::uuid)`, signal);
}

export async function releaseWorker(
  db: Kysely<Database>,
  runId: string,
  workerId: string,
  signal: AbortSignal,
): Promise<number> {
  return call(db, sql`release_worker(${runId}::uuid, ${workerId}::uuid, ${OPERATOR_ID}::uuid)`, signal);
}

/** How many leases were returned; undefined where it is not sure that the worker hangs, see stall_worker. */
export async function stallWorker(
  db: Kysely<Database>,
  runId: string,
  workerId: string,
  silentMs: number,
  signal: AbortSignal,
): Promise<number | undefined> {
  const silence = sql`${silentMs / 1_000} * interval '1 s'`;
  const returned = await call<number | null>(
    db,
    sql`stall_worker(${runId}::uuid, ${workerId}::uuid, ${silence}, ${OPERATOR_ID}::uuid)`,
    signal,
  );
  return returned ?? undefined;
}

/**
 * `steadyMs`: for how long this process has been in touch with the database without a break, see reap_leases.
 *
 * One transaction a run: leases of several runs in one could make runs wait for each other in a circle.
 */
export async function reapExpired(db: Kysely<Database>, steadyMs: number, signal: AbortSignal): Promise<number> {
  const runs = await db
    .selectFrom('worker')
    .select('run_id')
    .distinct()
    .where('lease_until', '<', sql<Date>`clock_timestamp()`)
    .execute({ signal });
  let returned = 0;
  for (const { run_id } of runs) {
    returned += await call<number>(
      db,
      sql`reap_leases(${OPERATOR_ID}::uuid, ${run_id}::uuid, ${steadyMs / 1_000} * interval '1 s')`,
      signal,
    );
  }
  return returned;
}

export async function revokeToken(db: Kysely<Database>, runId: string, signal: AbortSignal): Promise<void> {
  await db
    .updateTable('run_token')
    .set({ revoked_at: sql`clock_timestamp()` })
    .where('run_id', '=', runId)
    .where('revoked_at', 'is', null)
    .execute({ signal });
}

async function call<T>(db: Kysely<Database>, expression: ReturnType<typeof sql>, signal: AbortSignal): Promise<T> {
  const { rows } = await sql<{ result: T }>`select ${expression} as result`.execute(db, { signal });
  const [row] = rows;
  if (!row) throw new Error('a function returned no row');
  return row.result;
}
