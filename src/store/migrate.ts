// Brings a database up to date: tables by migrations, then functions, then rights. Safe to run from several replicas.
import { type Kysely, sql, type Transaction } from 'kysely';
import { Migrator } from 'kysely/migration';
import type { Logger } from '../telemetry/logger.ts';
import { FUNCTIONS_VERSION, OLDEST_WORKER_VERSION, versionTrouble } from './function-versions.ts';
import { FUNCTIONS_CHECKSUM, functions, WORKER_FUNCTIONS } from './functions.ts';
import { migrations } from './migrations.ts';
import type { Database } from './schema.ts';
import { StoreError } from './store-error.ts';
import { ensureWorkerLogin, type WorkerLogin } from './worker-login.ts';

export type MigrationOptions = {
  readonly db: Kysely<Database>;
  readonly schema: string;
  readonly login: WorkerLogin;
  readonly logger: Logger;
};

/**
 * Kysely's advisory lock lets one replica migrate while the others wait; the second step has a lock of its own. What a
 * newer operator has made of the database is left as it is. Rejects with `SchemaMismatch` where that cannot be used.
 * Resolves with the names of the migrations that were missing.
 */
export async function migrate(options: MigrationOptions, signal: AbortSignal): Promise<readonly string[]> {
  if (await isNewer(options)) return [];
  const migrator = new Migrator({
    db: options.db,
    provider: { getMigrations: async () => ({ ...migrations }) },
    migrationTableSchema: options.schema,
  });
  const { error, results } = await migrator.migrateToLatest();
  signal.throwIfAborted();
  if (error) throw error;
  const missing = (results ?? []).map((result) => result.migrationName);
  for (const migration of missing) options.logger.info({ migration }, 'database migrated');

  await options.db.transaction().execute(async (trx) => {
    await sql`select pg_advisory_xact_lock(hashtextextended(${`trawler schema ${options.schema}`}, 0))`.execute(trx);
    await createFunctions(trx, options);
    await grantToWorkers(trx, options.schema, await ensureWorkerLogin(trx, options.schema, options.login));
  });
  return missing;
}

/** An older operator beside a newer one, or after it: the way back must not take the functions of live workers away. */
async function isNewer({ db, schema, logger }: MigrationOptions): Promise<boolean> {
  const { rows: tables } = await sql`
    select from pg_class where relname = 'function_set' and relnamespace = to_regnamespace(${schema})`.execute(db);
  if (tables.length === 0) return false;
  const known = await db.selectFrom('function_set').select(['version', 'oldest_worker']).executeTakeFirst();
  if (known === undefined || known.version <= FUNCTIONS_VERSION) return false;
  const { version, oldest_worker: oldestWorker } = known;
  const trouble = versionTrouble(FUNCTIONS_VERSION, { version, oldestWorker });
  if (trouble) throw new StoreError('SchemaMismatch', `the database belongs to a newer operator: ${trouble}`);
  logger.warn({ version, known: FUNCTIONS_VERSION }, 'the database is newer than this operator and stays as it is');
  return true;
}

async function createFunctions(trx: Transaction<Database>, { schema, logger }: MigrationOptions): Promise<void> {
  const known = await trx.selectFrom('function_set').select('checksum').executeTakeFirst();
  if (known?.checksum === FUNCTIONS_CHECKSUM) return;
  await dropFunctions(trx, schema);
  await sql`set local check_function_bodies = off`.execute(trx);
  for (const text of functions) await sql.raw(text).execute(trx);
  await sql`revoke all on all functions in schema ${sql.id(schema)} from public`.execute(trx);
  await trx.deleteFrom('function_set').execute();
  await trx
    .insertInto('function_set')
    .values({ checksum: FUNCTIONS_CHECKSUM, version: FUNCTIONS_VERSION, oldest_worker: OLDEST_WORKER_VERSION })
    .execute();
  logger.info('database functions created');
}

/** `create or replace` cannot change what a function returns. The policies hold on to current_run, which never changes. */
async function dropFunctions(trx: Transaction<Database>, schema: string): Promise<void> {
  const { rows } = await sql<{ signature: string }>`
    select oid::regprocedure::text as signature from pg_proc
    where pronamespace = ${schema}::regnamespace and prokind = 'f' and proname <> 'current_run'`.execute(trx);
  for (const { signature } of rows) await sql.raw(`drop function ${signature}`).execute(trx);
}

/** Tables of which a worker sees the rows of its own run. */
const READABLE = ['run', 'run_spec', 'source', 'request', 'item'] as const;

async function grantToWorkers(trx: Transaction<Database>, schema: string, role: string): Promise<void> {
  const to = sql.id(role);
  await revokeTemporaryTables(trx, role);
  await sql`grant usage on schema ${sql.id(schema)} to ${to}`.execute(trx);
  for (const table of READABLE) await sql`grant select on ${sql.id(table)} to ${to}`.execute(trx);
  for (const name of WORKER_FUNCTIONS) await sql`grant execute on function ${sql.raw(name)} to ${to}`.execute(trx);
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
