// Changes of tables that take long: made after the migrations, outside of their transaction, while workers crawl. One at a time,
// in order, by one operator; what was broken off is taken up where it was, and what is done is never made again.
import { type Kysely, sql } from 'kysely';
import type { Logger } from '../telemetry/logger.ts';
import type { Database } from './schema.ts';

/** An index of this name, made `concurrently`. Not of a partitioned table, for which PostgreSQL cannot do that. */
type IndexChange = {
  readonly name: string;
  readonly index: string;
  /** What comes after `on`: `table (column, …) where …`. */
  readonly on: string;
  /** Another index, which goes when this one is there. */
  readonly inPlaceOf?: string;
};

/** Changes some thousand rows, and none when nothing is left: made again and again, in a transaction each. */
type RowChange = { readonly name: string; readonly rows: string };

export type LongChange = IndexChange | RowChange;

const IS_ALERT = `event not in ('Succeeded', 'Stopped', 'Test')`;

/**
 * All of them in order; a name that was ever released stays, and what it does stays the same. Functions work without them:
 * they come some time after the functions, on a large table hours.
 */
export const longChanges: readonly LongChange[] = [
  // Hosts that are forgotten take these rows with them.
  { name: '0001-blocked-host-by-host', index: 'blocked_host_by_host', on: 'blocked_host (host_id)' },
  { name: '0002-unreachable-host-by-host', index: 'unreachable_host_by_host', on: 'unreachable_host (host_id)' },
  // Pages of alerts, all of them and those that nobody has seen: most events are no alert.
  {
    name: '0003-alert-of-namespace',
    index: 'alert_of_namespace',
    on: `notification ((payload->>'namespace'), occurred_at, notification_id) where ${IS_ALERT}`,
    inPlaceOf: 'notification_of_namespace',
  },
  {
    name: '0004-seen-alert-of-namespace',
    index: 'seen_alert_of_namespace',
    on: `notification ((payload->>'namespace'), is_acknowledged, occurred_at, notification_id) where ${IS_ALERT}`,
  },
];

/**
 * Makes what is missing; resolves with the names of what was made now. With none at once where another operator is at it: it goes on
 * with all of them. Rejects with what the first of them failed with, after which the next call begins with that one.
 */
export async function makeLongChanges(
  db: Kysely<Database>,
  schema: string,
  logger: Logger,
  signal: AbortSignal,
  changes: readonly LongChange[] = longChanges,
): Promise<readonly string[]> {
  const finished = await db.selectFrom('long_change').select('name').where('finished_at', 'is not', null).execute();
  const known = new Set(finished.map(({ name }) => name));
  const missing = changes.filter(({ name }) => !known.has(name));
  if (missing.length === 0) return [];
  // The lock and the settings belong to the session.
  return db.connection().execute(async (session) => {
    const lock = sql`hashtextextended(${`trawler long changes ${schema}`}, 0)`;
    const { rows } = await sql<{ isOurs: boolean }>`select pg_try_advisory_lock(${lock}) as "isOurs"`.execute(session);
    if (!rows[0]?.isOurs) return [];
    try {
      // An index waits for all transactions that are older, and makes nobody wait meanwhile.
      await sql`set statement_timeout = 0`.execute(session);
      await sql`set lock_timeout = 0`.execute(session);
      const made: string[] = [];
      for (const change of missing) {
        if (await makeOne(session, change, logger, signal)) made.push(change.name);
      }
      return made;
    } finally {
      await giveBack();
    }

    /** A session that is broken has neither lock nor settings any more: what broke it is what the caller is to hear. */
    async function giveBack(): Promise<void> {
      try {
        await sql`reset statement_timeout`.execute(session);
        await sql`reset lock_timeout`.execute(session);
        await sql`select pg_advisory_unlock(${lock})`.execute(session);
      } catch (error) {
        logger.warn({ err: error }, 'the session of long changes was lost');
      }
    }
  });
}

/** False when it was made by somebody else since it was looked for. */
async function makeOne(
  db: Kysely<Database>,
  change: LongChange,
  logger: Logger,
  signal: AbortSignal,
): Promise<boolean> {
  const { name } = change;
  signal.throwIfAborted();
  await db
    .insertInto('long_change')
    .values({ name })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  const before = await db.selectFrom('long_change').selectAll().where('name', '=', name).executeTakeFirstOrThrow();
  if (before.finished_at !== null) return false;
  logger.info({ change: name, changed: Number(before.changed) }, 'long change of the database begins');
  if ('index' in change) await makeIndex(db, change, signal);
  else await changeRows(db, change, signal);
  const after = await db
    .updateTable('long_change')
    .set({ finished_at: sql`clock_timestamp()` })
    .where('name', '=', name)
    .returningAll()
    .executeTakeFirstOrThrow();
  logger.info({ change: name, changed: Number(after.changed) }, 'long change of the database is made');
  return true;
}

/** An index that was broken off is there, is kept up to date, and is of no use to anybody: it is made anew. */
async function makeIndex(db: Kysely<Database>, change: IndexChange, signal: AbortSignal): Promise<void> {
  const { index, on, inPlaceOf } = change;
  const options = { signal, inflightQueryAbortStrategy: 'cancel query' } as const;
  const { rows } = await sql<{ isValid: boolean }>`
    select indisvalid as "isValid" from pg_index where indexrelid = to_regclass(${index})`.execute(db, options);
  const [found] = rows;
  if (found && !found.isValid) await sql`drop index concurrently ${sql.id(index)}`.execute(db, options);
  if (!found?.isValid) await sql`create index concurrently ${sql.id(index)} on ${sql.raw(on)}`.execute(db, options);
  if (inPlaceOf) await sql`drop index concurrently if exists ${sql.id(inPlaceOf)}`.execute(db, options);
}

async function changeRows(db: Kysely<Database>, { name, rows }: RowChange, signal: AbortSignal): Promise<void> {
  for (let isLeft = true; isLeft; ) {
    signal.throwIfAborted();
    isLeft = await db.transaction().execute(async (trx) => {
      const { numAffectedRows = 0n } = await sql.raw(rows).execute(trx);
      if (numAffectedRows === 0n) return false;
      await sql`update long_change set changed = changed + ${numAffectedRows} where name = ${name}`.execute(trx);
      return true;
    });
  }
}
