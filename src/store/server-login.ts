// The login that the API server uses: it reads what runs did, and writes by the functions that are its alone. Made where the
// operator may create roles.
import { type Kysely, sql, type Transaction } from 'kysely';
import { StoreError } from '../gateway/protocol/store-error.ts';
import { SERVER_FUNCTIONS } from './functions.ts';
import { ensureReadingLogin, type GatewayLogin, loginUrl, serverRoles } from './gateway-login.ts';
import type { Database } from './schema.ts';

/** What it reads; tokens, logins and the hashes of pages are not among it. */
const READABLE = [
  'run',
  'run_spec',
  'source',
  'moved_place',
  'progress',
  'worker',
  'request',
  'item',
  'host',
  'blocked_host',
  'lane',
  'execution',
  'robots',
  'crawl_delay',
  'unreachable_host',
  'comparison',
  'change',
  'run_log',
  'run_log_total',
  'audit',
  'notification',
  'delivery',
  'alert_acknowledgement',
] as const;

const POLICY = 'server_reads';

/** Makes the login and gives it its rights; does nothing where the operator may not create roles. */
export async function grantToServer(trx: Transaction<Database>, schema: string, login: GatewayLogin): Promise<void> {
  const role = await ensureReadingLogin(trx, schema, login);
  if (role === undefined) return;
  const to = sql.id(role);
  await sql`grant usage on schema ${sql.id(schema)} to ${to}`.execute(trx);
  for (const name of SERVER_FUNCTIONS) await sql`grant execute on function ${sql.raw(name)} to ${to}`.execute(trx);
  for (const table of READABLE) {
    await sql`grant select on ${sql.id(table)} to ${to}`.execute(trx);
    // Creating a policy locks the table for everybody: only where it is missing.
    const { rows } = await sql`
      select from pg_policy where polrelid = ${`${schema}.${table}`}::regclass and polname = ${POLICY}
        and (select oid from pg_roles where rolname = ${role}) = any(polroles)`.execute(trx);
    if (rows.length > 0) continue;
    await sql`drop policy if exists ${sql.id(POLICY)} on ${sql.id(table)}`.execute(trx);
    await sql`create policy ${sql.id(POLICY)} on ${sql.id(table)} for select to ${to} using (true)`.execute(trx);
  }
}

/** The database with the server's login. Rejects with `SchemaMismatch` where there is none. */
export async function serverUrl(
  db: Kysely<Database>,
  schema: string,
  login: GatewayLogin,
  signal: AbortSignal,
): Promise<string> {
  const url = await loginUrl(db, (database) => serverRoles(database, schema).login, login, signal);
  if (url === undefined) throw new StoreError('SchemaMismatch', 'there is no login of the API server');
  return url;
}
