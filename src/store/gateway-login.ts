// The login that the gateway uses: made by the operator where it may create roles, else the one it was given.
import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import { type Kysely, sql, type Transaction } from 'kysely';
import { StoreError } from '../gateway/protocol/store-error.ts';
import type { Database } from './schema.ts';

export type GatewayLogin = {
  /** The operator's own URL. */
  readonly databaseUrl: string;
  /**
   * Where the gateway reaches the database. With a user name it is used as it stands and the role is only granted its
   * rights; without one the operator makes a login of its own.
   */
  readonly gatewayDatabaseUrl?: string;
  /** Connections that all replicas of the gateway together may open. Default 200. */
  readonly gatewayConnections?: number;
};

const CONNECTIONS = 200;

/** What bounds each statement of the gateway. */
const SETTINGS = {
  statement_timeout: '30s',
  lock_timeout: '20s',
  idle_in_transaction_session_timeout: '60s',
  jit: 'off',
} as const;

/**
 * Makes sure that the gateway has a login and returns the role to grant its rights to. Rejects with `GatewayLoginMissing`
 * and the SQL to run when there is none and none may be made.
 */
export async function ensureGatewayLogin(
  trx: Transaction<Database>,
  schema: string,
  login: GatewayLogin,
): Promise<string> {
  const given = givenUser(login);
  if (given !== undefined) return await checkGivenLogin(trx, given);
  const names = roleNames(await currentDatabase(trx), schema);
  await ensureOwnLogin(trx, schema, names, login.gatewayConnections ?? CONNECTIONS);
  await dropFormerLogins(trx, names);
  return names.group;
}

/** The gateway's URL, with its login. Rejects with `SchemaMismatch` when there is no such login any more. */
export async function gatewayUrl(
  db: Kysely<Database>,
  schema: string,
  login: GatewayLogin,
  signal: AbortSignal,
): Promise<string> {
  if (givenUser(login) !== undefined) return new URL(login.gatewayDatabaseUrl ?? login.databaseUrl).href;
  const url = await loginUrl(db, (database) => roleNames(database, schema).login, login, signal);
  if (url === undefined)
    throw new StoreError('SchemaMismatch', 'the login of the gateway is not there: run migrate first');
  return url;
}

/** The way that the gateway takes, with a login that was made here; undefined where there is no such login. */
export async function loginUrl(
  db: Kysely<Database>,
  roleOf: (database: string) => string,
  login: GatewayLogin,
  signal: AbortSignal,
): Promise<string | undefined> {
  const role = roleOf(await currentDatabase(db));
  const known = await knownLogin(db, role, signal);
  if (!known?.exists) return undefined;
  const url = new URL(login.gatewayDatabaseUrl ?? login.databaseUrl);
  url.username = role;
  url.password = known.password;
  if (login.gatewayDatabaseUrl === undefined) url.searchParams.delete('options');
  return url.href;
}

/** Connections of all replicas of the API server together. */
const SERVER_CONNECTIONS = 50;

/** Makes sure that the API server has a login; the role to grant its rights to, or undefined where none may be made. */
export async function ensureReadingLogin(
  trx: Transaction<Database>,
  schema: string,
  login: GatewayLogin,
): Promise<string | undefined> {
  // With a given login the operator is not asked to make any.
  if (givenUser(login) !== undefined || !(await mayCreateRoles(trx))) return undefined;
  const names = serverRoles(await currentDatabase(trx), schema);
  await ensureOwnLogin(trx, schema, names, SERVER_CONNECTIONS);
  return names.group;
}

export function serverRoles(database: string, schema: string): RoleNames {
  const prefix = rolePrefix(database, schema);
  return { group: `${prefix}_readers`, login: `${prefix}_server`, former: [] };
}

function givenUser({ gatewayDatabaseUrl }: GatewayLogin): string | undefined {
  if (gatewayDatabaseUrl === undefined) return undefined;
  const user = decodeURIComponent(new URL(gatewayDatabaseUrl).username);
  return user === '' ? undefined : user;
}

type RoleNames = {
  /** Holds the rights. */
  readonly group: string;
  readonly login: string;
  /** Logins that workers of earlier releases had. */
  readonly former: readonly string[];
};

/** Roles belong to the whole server: the names tell apart installs that share it, by database and schema. */
function roleNames(database: string, schema: string): RoleNames {
  const prefix = rolePrefix(database, schema);
  return {
    group: `${prefix}_workers`,
    login: `${prefix}_gateway`,
    former: [`${prefix}_worker_a`, `${prefix}_worker_b`],
  };
}

function rolePrefix(database: string, schema: string): string {
  const install = createHash('sha256').update(`${database}/${schema}`).digest('hex').slice(0, 8);
  return `${schema}_${install}`;
}

/** The password that was given to the role, and whether there is such a role now. */
async function knownLogin(
  db: Kysely<Database>,
  role: string,
  signal?: AbortSignal,
): Promise<{ password: string; exists: boolean } | undefined> {
  const exists = sql<boolean>`exists (select from pg_roles where rolname = role_name)`;
  return db
    .selectFrom('worker_login')
    .select(['password', exists.as('exists')])
    .where('role_name', '=', role)
    .executeTakeFirst(signal === undefined ? {} : { signal });
}

async function currentDatabase(db: Kysely<Database>): Promise<string> {
  const { rows } = await sql<{ name: string }>`select current_database() as name`.execute(db);
  const [row] = rows;
  if (!row) throw new StoreError('Refused', 'the server does not name its database');
  return row.name;
}

async function ensureOwnLogin(
  trx: Transaction<Database>,
  schema: string,
  { group, login }: RoleNames,
  connections: number,
): Promise<void> {
  const groupExists = (await findRole(trx, group)) !== undefined;
  const known = await knownLogin(trx, login);
  if (groupExists && known?.exists && (await connectionLimit(trx, login)) === connections) return;
  if (!(await mayCreateRoles(trx))) {
    if (groupExists && known?.exists) return; // another limit is not worth a refusal
    throw loginMissing(login, schema);
  }
  if (!groupExists) await sql`create role ${sql.id(group)} nologin`.execute(trx);
  // A role that somebody dropped comes back with its password: the gateway's Secret holds it.
  const password = known?.password ?? randomBytes(24).toString('base64url');
  if (!(await findRole(trx, login))) await sql`create role ${sql.id(login)} login`.execute(trx);
  for (const statement of loginStatements(login, `'${scramVerifier(password)}'`, connections)) {
    await sql.raw(statement).execute(trx);
  }
  await sql`grant ${sql.id(group)} to ${sql.id(login)}`.execute(trx);
  await trx
    .insertInto('worker_login')
    .values({ role_name: login, password })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

/**
 * Workers of releases before the gateway log in by themselves: those of runs that were at work at the upgrade keep their
 * logins until the last of these runs has ended.
 */
async function dropFormerLogins(trx: Transaction<Database>, { login, former }: RoleNames): Promise<void> {
  // From PostgreSQL 16 on, the right to create roles is good for those that one has made.
  const mayDrop = sql`(current_setting('server_version_num')::int < 160000 or pg_has_role(oid, 'member with admin option'))`;
  const { rows } = await sql<{ name: string }>`
    select rolname as name from pg_roles
    where rolname = any(${former}) and ${mayDrop} and not exists (
      select from run join worker_login on role_name = ${login}
      where finished_at is null and accepted_at <= created_at)`.execute(trx);
  if (rows.length === 0 || !(await mayCreateRoles(trx))) return;
  for (const { name } of rows) await sql`drop role ${sql.id(name)}`.execute(trx);
  await trx.deleteFrom('worker_login').where('role_name', 'in', former).execute();
}

async function connectionLimit(trx: Transaction<Database>, role: string): Promise<number | undefined> {
  const { rows } = await sql<{
    most: number;
  }>`select rolconnlimit as most from pg_roles where rolname = ${role}`.execute(trx);
  return rows[0]?.most;
}

async function checkGivenLogin(trx: Transaction<Database>, user: string): Promise<string> {
  const role = await findRole(trx, user);
  if (!role) {
    throw new StoreError(
      'GatewayLoginMissing',
      `The role "${user}" of the gateway's URL does not exist. As a superuser, run:\n${creationSql(user)}`,
    );
  }
  if (role.privileged) {
    throw new StoreError(
      'GatewayLoginMissing',
      `The role "${user}" of the gateway's URL would see every run: it is a superuser, bypasses row-level security, or is the operator's own. Give the gateway a role of its own:\n${creationSql('trawler_gateway')}`,
    );
  }
  return user;
}

function loginMissing(role: string, schema: string): StoreError {
  return new StoreError(
    'GatewayLoginMissing',
    `The gateway needs a login of its own in schema "${schema}", and this role may not create one. Either give it CREATEROLE, or, as a superuser, run:\n${creationSql(role)}\nand set the gateway's URL (TRAWLER_DATABASE_GATEWAY_URL) with that role and its password.`,
  );
}

function creationSql(role: string): string {
  const id = `"${role.replaceAll('"', '""')}"`;
  const statements = [`create role ${id} login`, ...loginStatements(role, "'choose a password'", CONNECTIONS)];
  return statements.map((text) => `${text};`).join('\n');
}

function loginStatements(role: string, password: string, connections: number): string[] {
  const id = `"${role.replaceAll('"', '""')}"`;
  return [
    `alter role ${id} connection limit ${connections} password ${password}`,
    ...Object.entries(SETTINGS).map(([name, value]) => `alter role ${id} set ${name} = '${value}'`),
  ];
}

async function findRole(trx: Transaction<Database>, name: string): Promise<{ privileged: boolean } | undefined> {
  const { rows } = await sql<{ privileged: boolean }>`
    select rolsuper or rolbypassrls or pg_has_role(rolname, current_user, 'member') as privileged
    from pg_roles where rolname = ${name}`.execute(trx);
  return rows[0];
}

async function mayCreateRoles(trx: Transaction<Database>): Promise<boolean> {
  const { rows } = await sql`select from pg_roles where rolname = current_user and (rolcreaterole or rolsuper)`.execute(
    trx,
  );
  return rows.length > 0;
}

/** What Postgres stores of a password, computed here so that the password never appears in a statement or its log. */
function scramVerifier(password: string): string {
  const iterations = 4096;
  const salt = randomBytes(16);
  const salted = pbkdf2Sync(password, salt, iterations, 32, 'sha256');
  const clientKey = createHmac('sha256', salted).update('Client Key').digest();
  const storedKey = createHash('sha256').update(clientKey).digest('base64');
  const serverKey = createHmac('sha256', salted).update('Server Key').digest('base64');
  return `SCRAM-SHA-256$${iterations}:${salt.toString('base64')}$${storedKey}:${serverKey}`;
}
