// Brings a database up to date: tables by migrations, then functions, then rights. Safe to run from several replicas.
import { type Kysely, sql, type Transaction } from 'kysely';
import { Migrator } from 'kysely/migration';
import type { Logger } from '../telemetry/logger.ts';
import { FUNCTIONS_CHECKSUM, functions, WORKER_FUNCTIONS } from './functions/index.ts';
import { migrations } from './migrations/index.ts';
import type { Database } from './schema.ts';
import { ensureWorkerLogin, type WorkerLogin } from './worker-login.ts';

export type MigrationOptions = {
  readonly db: Kysely<Database>;
  readonly schema: string;
  readonly login: WorkerLogin;
  readonly logger: Logger;
};

/** Kysely's advisory lock lets one replica migrate while the others wait; the second step has a lock of its own. */
export async function migrate(options: MigrationOptions, signal: AbortSignal): Promise<void> {
  const migrator = new Migrator({
    db: options.db,
    provider: { getMigrations: async () => ({ ...migrations }) },
    migrationTableSchema: options.schema,
  });
  const { error, results } = await migrator.migrateToLatest();
  signal.throwIfAborted();
  if (error) throw error;
  for (const result of results ?? []) options.logger.info({ migration: result.migrationName }, 'database migrated');

  await options.db.transaction().execute(async (trx) => {
    await sql`select pg_advisory_xact_lock(hashtextextended(${`trawler schema ${options.schema}`}, 0))`.execute(trx);
    await createFunctions(trx, options);
    await grantToWorkers(trx, options.schema, await ensureWorkerLogin(trx, options.schema, options.login));
  });
}

async function createFunctions(trx: Transaction<Database>, { schema, logger }: MigrationOptions): Promise<void> {
  const known = await trx.selectFrom('function_set').select('checksum').executeTakeFirst();
  if (known?.checksum === FUNCTIONS_CHECKSUM) return;
  await dropFunctions(trx, schema);
  for (const text of functions) await sql.raw(text).execute(trx);
  await sql`revoke all on all functions in schema ${sql.id(schema)} from public`.execute(trx);
  await trx.deleteFrom('function_set').execute();
  await trx.insertInto('function_set').values({ checksum: FUNCTIONS_CHECKSUM }).execute();
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
  await sql`grant usage on schema ${sql.id(schema)} to ${to}`.execute(trx);
  for (const table of READABLE) await sql`grant select on ${sql.id(table)} to ${to}`.execute(trx);
  for (const name of WORKER_FUNCTIONS) await sql`grant execute on function ${sql.raw(name)} to ${to}`.execute(trx);
}
