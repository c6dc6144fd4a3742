// Brings a database up to date: tables by migrations, then functions, then rights. Safe to run from several replicas.
import { type Kysely, sql, type Transaction } from 'kysely';
import { Migrator } from 'kysely/migration';
import { StoreError } from '../gateway/protocol/store-error.ts';
import type { Logger } from '../telemetry/logger.ts';
import { FUNCTIONS_VERSION, isLater, OLDEST_WORKER_VERSION, versionTrouble } from './function-versions.ts';
import { FUNCTIONS_CHECKSUM, functions, WORKER_FUNCTIONS } from './functions.ts';
import { ensureGatewayLogin, type GatewayLogin } from './gateway-login.ts';
import { migrations } from './migrations.ts';
import { RELEASE } from './release.ts';
import type { Database } from './schema.ts';
import { grantToServer } from './server-login.ts';

export type MigrationOptions = {
  readonly db: Kysely<Database>;
  readonly schema: string;
  readonly login: GatewayLogin;
  readonly logger: Logger;
};

/** A worker's statement may hold a table for so long; whoever waits behind this one waits as long, too. */
const LOCK_TIMEOUT = '3s';

/**
 * Tables, functions and rights in one transaction, so that no call ever meets one without the other; replicas wait for
 * each other. What a newer operator has made of the database, looked at under the lock, is left as it is. Rejects with
 * `SchemaMismatch` where that cannot be used. Resolves with the names of the migrations that were missing.
 */
export async function migrate(options: MigrationOptions, signal: AbortSignal): Promise<readonly string[]> {
  const { db, schema, login, logger } = options;
  const missing = await db.transaction().execute(async (trx) => {
    await sql`select pg_advisory_xact_lock(hashtextextended(${`trawler schema ${schema}`}, 0))`.execute(trx);
    await sql`select set_config('lock_timeout', ${LOCK_TIMEOUT}, true)`.execute(trx);
    // A statement that takes longer than the operator's others may would be broken off at each try, for ever.
    await sql`select set_config('statement_timeout', '0', true)`.execute(trx);
    await checkSearchPath(trx, schema);
    if (await isNewer(trx, options)) return [];
    const names = await createTables(trx, schema);
    signal.throwIfAborted();
    await createFunctions(trx, options);
    await grantToWorkers(trx, schema, await ensureGatewayLogin(trx, schema, login));
    await grantToServer(trx, schema, login);
    return names;
  });
  for (const migration of missing) logger.info({ migration }, 'database migrated');
  return missing;
}

/** Every name in the SQL files is unqualified: a pooler that drops the setting would have them created elsewhere. */
async function checkSearchPath(trx: Transaction<Database>, schema: string): Promise<void> {
  const { rows: schemas } = await sql`select from pg_namespace where nspname = ${schema}`.execute(trx);
  if (schemas.length === 0) await sql`create schema ${sql.id(schema)}`.execute(trx);
  const { rows } = await sql<{ found: string | null }>`select current_schema() as found`.execute(trx);
  const found = rows[0]?.found;
  if (found === schema) return;
  throw new StoreError(
    'SchemaMismatch',
    `the session works in schema ${found}, not ${schema}: its search_path was changed`,
  );
}

async function createTables(trx: Transaction<Database>, schema: string): Promise<string[]> {
  const migrator = new Migrator({
    db: trx,
    provider: { getMigrations: async () => ({ ...migrations }) },
    migrationTableSchema: schema,
  });
  const { error, results } = await migrator.migrateToLatest();
  if (error) throw error;
  return (results ?? []).map((result) => result.migrationName);
}

/** An older operator beside a newer one, or after it: the way back must not take the functions of live workers away. */
async function isNewer(trx: Transaction<Database>, { schema, logger }: MigrationOptions): Promise<boolean> {
  const { rows } = await sql<{ known: string[] | null }>`
    select array_agg(attname::text) as known from pg_attribute
    where attrelid = to_regclass(${`${schema}.function_set`}) and attnum > 0 and not attisdropped`.execute(trx);
  const columns = rows[0]?.known ?? [];
  if (columns.length === 0) return false;
  const known = await trx.selectFrom('function_set').selectAll().executeTakeFirst();
  if (known === undefined || !isLater(known, { version: FUNCTIONS_VERSION, release: RELEASE })) return false;
  const { version, oldest_worker: oldestWorker, release } = known;
  const trouble = versionTrouble(FUNCTIONS_VERSION, { version, oldestWorker });
  if (trouble) throw new StoreError('SchemaMismatch', `the database belongs to a newer operator: ${trouble}`);
  const ours = { version: FUNCTIONS_VERSION, release: RELEASE };
  logger.warn({ version, release, ours }, 'the database is newer than this operator and stays as it is');
  return true;
}

async function createFunctions(trx: Transaction<Database>, { schema, logger }: MigrationOptions): Promise<void> {
  const known = await trx.selectFrom('function_set').select('checksum').executeTakeFirst();
  if (known?.checksum === FUNCTIONS_CHECKSUM) return;
  await dropFunctions(trx, schema);
  await sql`set local check_function_bodies = off`.execute(trx);
  for (const text of functions) await sql.raw(text).execute(trx);
  await takeOver(trx, schema);
  await trx.deleteFrom('function_set').execute();
  await trx
    .insertInto('function_set')
    .values({
      checksum: FUNCTIONS_CHECKSUM,
      version: FUNCTIONS_VERSION,
      oldest_worker: OLDEST_WORKER_VERSION,
      release: RELEASE,
    })
    .execute();
  logger.info('database functions created');
}

/** What a migration made, and another one may drop. Everything else in the schema, such as an extension, is not ours. */
const LABEL = 'trawler: made and dropped by its migrations';

/**
 * Only what carries our label: `create or replace` cannot change what a function returns. The policies hold on to
 * current_run, which never changes.
 */
async function dropFunctions(trx: Transaction<Database>, schema: string): Promise<void> {
  const { rows } = await sql<{ signature: string }>`
    select oid::regprocedure::text as signature from pg_proc
    where pronamespace = ${schema}::regnamespace and proname <> 'current_run'
      and obj_description(oid, 'pg_proc') = ${LABEL}`.execute(trx);
  for (const { signature } of rows) await sql.raw(`drop function ${signature}`).execute(trx);
}

/** Labels the functions that this transaction has made, and takes them from everybody else. */
async function takeOver(trx: Transaction<Database>, schema: string): Promise<void> {
  const { rows } = await sql<{ signature: string }>`
    select oid::regprocedure::text as signature from pg_proc
    where pronamespace = ${schema}::regnamespace and xmin = pg_current_xact_id()::xid`.execute(trx);
  for (const { signature } of rows) {
    await sql.raw(`revoke all on function ${signature} from public`).execute(trx);
    await sql.raw(`comment on function ${signature} is '${LABEL}'`).execute(trx);
  }
}

/** Tables of which workers of releases before the gateway read the rows of their own run. */
const FORMERLY_READABLE = ['run', 'run_spec', 'source', 'request', 'item'] as const;

async function grantToWorkers(trx: Transaction<Database>, schema: string, role: string): Promise<void> {
  const to = sql.id(role);
  await revokeTemporaryTables(trx, role);
  await sql`grant usage on schema ${sql.id(schema)} to ${to}`.execute(trx);
  if (!(await hasFormerRuns(trx))) {
    for (const table of FORMERLY_READABLE) await sql`revoke select on ${sql.id(table)} from ${to}`.execute(trx);
  }
  for (const name of WORKER_FUNCTIONS) await sql`grant execute on function ${sql.raw(name)} to ${to}`.execute(trx);
}

/** Whether a run is at work whose pods may have an image that reads tables: they keep it until they end. */
async function hasFormerRuns(trx: Transaction<Database>): Promise<boolean> {
  const { rows } = await sql<{ found: boolean }>`
    select exists (
      select from run where finished_at is null and accepted_at <= (
        select timestamp::timestamptz from kysely_migration where name = '0008-queue-fronts')) as found`.execute(trx);
  return rows[0]?.found ?? false;
}

/**
 * Every role may fill the disk with temporary tables unless the database's owner says no. That is for all roles at once, so
 * only in a database of our own.
 */
async function revokeTemporaryTables(trx: Transaction<Database>, role: string): Promise<void> {
  const { rows } = await sql<{ name: string }>`
    select datname as name from pg_database
    where datname = current_database() and pg_has_role(datdba, 'usage')
      and has_database_privilege(${role}, datname, 'temporary')`.execute(trx);
  for (const { name } of rows) await sql`revoke temporary on database ${sql.id(name)} from public`.execute(trx);
}
