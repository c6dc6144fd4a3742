// The login that worker pods use: made and kept by the operator where it may create roles, else the one it was given.
import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import { type Kysely, sql, type Transaction } from 'kysely';
import { StoreError } from '../gateway/protocol/store-error.ts';
import type { Database } from './schema.ts';

export type WorkerLogin = {
  /** The operator's own URL. */
  readonly databaseUrl: string;
  /**
   * Where pods reach the database. With a user name it is used as it stands and the role is only granted its rights;
   * without one the operator makes a login of its own.
   */
  readonly workerDatabaseUrl?: string;
};

/**
 * A password is used for new runs this long; then the other of two logins gets a new one, and the one before stays good
 * for as long again. No run lasts longer than that (timeoutSeconds).
 */
const ROTATION_DAYS = 31;

/** Connections that all workers together may open, and what bounds each of their statements. */
const CONNECTION_LIMIT = 80;
const SETTINGS = {
  statement_timeout: '30s',
  lock_timeout: '20s',
  idle_in_transaction_session_timeout: '60s',
  jit: 'off',
} as const;

/**
 * Makes sure that workers have a login and returns the role to grant their rights to. Rejects with
 * `WorkerLoginMissing` and the SQL to run when there is none and none may be made.
 */
export async function ensureWorkerLogin(
  trx: Transaction<Database>,
  schema: string,
  login: WorkerLogin,
): Promise<string> {
  const given = givenUser(login);
  return given === undefined ? await ensureOwnLogin(trx, schema) : await checkGivenLogin(trx, given);
}

/** The URL for pods. */
export async function workerUrl(
  db: Kysely<Database>,
  schema: string,
  login: WorkerLogin,
  signal: AbortSignal,
): Promise<string> {
  const url = new URL(login.workerDatabaseUrl ?? login.databaseUrl);
  if (givenUser(login) !== undefined) return url.href;
  const names = roleNames(await currentDatabase(db), schema);
  const current = await currentLogin(db, names, signal);
  if (!current) throw new StoreError('SchemaMismatch', 'the login of the workers is not made yet: run migrate first');
  url.username = current.role;
  url.password = current.password;
  if (login.workerDatabaseUrl === undefined) url.searchParams.delete('options');
  return url.href;
}

function givenUser({ workerDatabaseUrl }: WorkerLogin): string | undefined {
  if (workerDatabaseUrl === undefined) return undefined;
  const user = decodeURIComponent(new URL(workerDatabaseUrl).username);
  return user === '' ? undefined : user;
}

type RoleNames = { readonly group: string; readonly logins: readonly [string, string] };

/** Roles belong to the whole server: the names tell apart installs that share it, by database and schema. */
function roleNames(database: string, schema: string): RoleNames {
  const install = createHash('sha256').update(`${database}/${schema}`).digest('hex').slice(0, 8);
  const login = `${schema}_${install}_worker`;
  return { group: `${schema}_${install}_workers`, logins: [`${login}_a`, `${login}_b`] };
}

type OwnLogin = { readonly role: string; readonly password: string; readonly isDue: boolean };

/** The login that new runs get: the one that was made or renewed last. */
async function currentLogin(
  db: Kysely<Database>,
  { logins }: RoleNames,
  signal?: AbortSignal,
): Promise<OwnLogin | undefined> {
  const age = sql<boolean>`created_at < now() - make_interval(days => ${ROTATION_DAYS})`;
  return db
    .selectFrom('worker_login')
    .select(['role_name as role', 'password', age.as('isDue')])
    .where('role_name', 'in', logins)
    .orderBy('created_at', 'desc')
    .limit(1)
    .executeTakeFirst(signal === undefined ? {} : { signal });
}

async function currentDatabase(db: Kysely<Database>): Promise<string> {
  const { rows } = await sql<{ name: string }>`select current_database() as name`.execute(db);
  const [row] = rows;
  if (!row) throw new StoreError('Refused', 'the server does not name its database');
  return row.name;
}

async function ensureOwnLogin(trx: Transaction<Database>, schema: string): Promise<string> {
  const names = roleNames(await currentDatabase(trx), schema);
  const current = await currentLogin(trx, names);
  const groupExists = (await findRole(trx, names.group)) !== undefined;
  const isThere = groupExists && current !== undefined && (await findRole(trx, current.role)) !== undefined;
  if (isThere && !current.isDue) return names.group;
  if (!(await mayCreateRoles(trx))) {
    if (isThere) return names.group; // an old password is better than none
    throw loginMissing(names.logins[0], schema);
  }
  if (!groupExists) await sql`create role ${sql.id(names.group)} nologin`.execute(trx);
  // A role that somebody dropped comes back with its password: Secrets of live runs hold it.
  const [first, second] = names.logins;
  const role = isThere ? (current.role === first ? second : first) : (current?.role ?? first);
  const password = isThere || current === undefined ? randomBytes(24).toString('base64url') : current.password;
  await makeLogin(trx, names.group, role, password);
  return names.group;
}

async function makeLogin(trx: Transaction<Database>, group: string, role: string, password: string): Promise<void> {
  if (!(await findRole(trx, role))) await sql`create role ${sql.id(role)} login`.execute(trx);
  for (const statement of loginStatements(role, `'${scramVerifier(password)}'`)) await sql.raw(statement).execute(trx);
  await sql`grant ${sql.id(group)} to ${sql.id(role)}`.execute(trx);
  await trx
    .insertInto('worker_login')
    .values({ role_name: role, password })
    .onConflict((conflict) =>
      conflict.column('role_name').doUpdateSet({ password, created_at: sql<Date>`clock_timestamp()` }),
    )
    .execute();
}

async function checkGivenLogin(trx: Transaction<Database>, user: string): Promise<string> {
  const role = await findRole(trx, user);
  if (!role) {
    throw new StoreError(
      'WorkerLoginMissing',
      `The role "${user}" of the worker URL does not exist. As a superuser, run:\n${creationSql(user)}`,
    );
  }
  if (role.privileged) {
    throw new StoreError(
      'WorkerLoginMissing',
      `The role "${user}" of the worker URL would see every run: it is a superuser, bypasses row-level security, or is the operator's own. Give workers a role of their own:\n${creationSql('trawler_worker')}`,
    );
  }
  return user;
}

function loginMissing(role: string, schema: string): StoreError {
  return new StoreError(
    'WorkerLoginMissing',
    `Workers need a login of their own in schema "${schema}", and this role may not create one. Either give it CREATEROLE, or, as a superuser, run:\n${creationSql(role)}\nand set the worker URL (TRAWLER_DATABASE_WORKER_URL) with that role and its password.`,
  );
}

function creationSql(role: string): string {
  const id = `"${role.replaceAll('"', '""')}"`;
  const statements = [`create role ${id} login`, ...loginStatements(role, "'choose a password'")];
  return statements.map((text) => `${text};`).join('\n');
}

function loginStatements(role: string, password: string): string[] {
  const id = `"${role.replaceAll('"', '""')}"`;
  return [
    `alter role ${id} connection limit ${CONNECTION_LIMIT} password ${password}`,
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
