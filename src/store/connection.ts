// Connections to Postgres: pools with our settings, and errors turned into StoreErrors.
import pg from 'pg';
import { StoreError, type StoreErrorReason } from '../gateway/protocol/store-error.ts';
import { LOG_EVENTS } from '../telemetry/log-events.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { PoolMetrics } from './pool-metrics.ts';

export type PoolOptions = {
  readonly databaseUrl: string;
  /** PEM of the certificate authority, where the server's certificate is not signed by a public one. */
  readonly ca?: string;
  readonly applicationName: string;
  readonly max: number;
  /** Settings of each session. A pooler in front of the server may refuse them: workers get theirs from their role. */
  readonly sessionSettings?: Readonly<Record<string, string>>;
  readonly metrics?: PoolMetrics;
  /** Is told when there is a connection: the first one, and the first one after idle ones broke. */
  readonly logger?: Logger;
};

const CONNECT_TIMEOUT_MS = 10_000;

export function createPool(options: PoolOptions): pg.Pool {
  const settings = Object.entries(options.sessionSettings ?? {});
  const pool = new pg.Pool({
    connectionString: options.ca === undefined ? options.databaseUrl : withoutTls(options.databaseUrl),
    application_name: options.applicationName,
    max: options.max,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    ...(settings.length > 0 ? { options: settings.map(([name, value]) => `-c ${name}=${value}`).join(' ') } : {}),
    ...(options.ca === undefined ? {} : { ssl: { ca: options.ca } }),
  });
  // An idle connection that breaks is replaced at the next call, and whoever makes that call sees the error.
  pool.on('error', () => {});
  // So does one that breaks between two statements of a call, which the pool no longer listens to.
  pool.on('connect', (client) => client.on('error', () => {}));
  options.metrics?.watch(pool);
  if (options.logger !== undefined) logConnected(pool, options.logger);
  return pool;
}

function logConnected(pool: pg.Pool, logger: Logger): void {
  let isConnected = false;
  pool.on('connect', ({ host, database }) => {
    if (!isConnected) logger.info({ host, database }, LOG_EVENTS.databaseConnected.message);
    isConnected = true;
  });
  pool.on('error', () => {
    isConnected = false;
  });
}

/** What a URL says of TLS would take the place of the authority: with one, the server is always checked in full. */
function withoutTls(databaseUrl: string): string {
  const url = new URL(databaseUrl);
  for (const name of ['ssl', 'sslmode', 'sslrootcert', 'uselibpqcompat']) url.searchParams.delete(name);
  return url.href;
}

export type Statement = {
  readonly text: string;
  readonly values: readonly unknown[];
  /** One that is made often: the server keeps it under that name for the connection, and plans it once. */
  readonly name?: string;
};

/** Behind them is a pooler that gives each transaction another session and does not know what was kept in the one before. */
const forgetful = new WeakSet<pg.Pool>();

/** No statement of that name, or one already: said before anything is executed. */
const MISPLACED_STATEMENT: readonly string[] = ['26000', '42P05'];

/** One statement, made when there is a connection of the pool for it; see `withClient`. */
export function query<Row extends pg.QueryResultRow>(
  pool: pg.Pool,
  statement: () => Statement,
  signal: AbortSignal,
): Promise<Row[]> {
  return withClient(pool, signal, async (client) => {
    const { text, values, name } = statement();
    const unnamed = { text, values: [...values] };
    if (name === undefined || forgetful.has(pool)) return (await client.query<Row>(unnamed)).rows;
    try {
      return (await client.query<Row>({ ...unnamed, name })).rows;
    } catch (error) {
      if (!MISPLACED_STATEMENT.includes(sqlState(error) ?? '')) throw error;
      forgetful.add(pool);
      return (await client.query<Row>(unnamed)).rows;
    }
  });
}

/**
 * Lends a connection of the pool. An abort rejects with the signal's reason at once and closes the connection; a
 * statement that already reached the server may still take effect there. Other errors come as a StoreError.
 */
async function withClient<T>(
  pool: pg.Pool,
  signal: AbortSignal,
  use: (client: pg.PoolClient) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  const aborted = abortOf(signal);
  try {
    return await Promise.race([aborted.promise, useClient(pool, aborted.promise, use)]);
  } catch (error) {
    throw signal.aborted ? signal.reason : storeError(error);
  } finally {
    aborted.release();
  }
}

async function useClient<T>(
  pool: pg.Pool,
  aborted: Promise<never>,
  use: (client: pg.PoolClient) => Promise<T>,
): Promise<T> {
  const client = await pool.connect();
  let lent = true;
  const giveBack = (destroy: boolean) => {
    if (lent) client.release(destroy);
    lent = false;
  };
  aborted.catch(() => giveBack(true));
  try {
    const result = await use(client);
    giveBack(false);
    return result;
  } catch (error) {
    // After an error of the server's the connection is as good as before; after any other it is not to be trusted.
    giveBack(!(error instanceof pg.DatabaseError));
    throw error;
  }
}

function abortOf(signal: AbortSignal): { readonly promise: Promise<never>; release(): void } {
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  return { promise, release: () => signal.removeEventListener('abort', onAbort) };
}

/** SQLSTATEs, or their classes (two characters), and what they mean to a caller. */
const REASONS: Readonly<Record<string, StoreErrorReason>> = {
  TR001: 'TokenRefused',
  TR002: 'RunFinished',
  TR003: 'OtherServer',
  // Connection trouble, resources used up, server going down or starting, time-outs, deadlock: all may pass.
  '08': 'Unavailable',
  '53': 'Unavailable',
  '57': 'Unavailable',
  '55P03': 'Unavailable',
  '40': 'Unavailable',
  '25006': 'Unavailable',
  '28': 'LoginRefused',
  '3D': 'LoginRefused',
  '42883': 'SchemaMismatch',
  '42P01': 'SchemaMismatch',
  '42703': 'SchemaMismatch',
  '3F000': 'SchemaMismatch',
};

/** An operator put a new version in the place of a function while it was being called: the next call finds that. */
const REPLACED_FUNCTION = /cache lookup failed for function|tuple concurrently updated/;

/** What a function names is not there: the call waited for a migration that gave it another name. */
const RENAMED_WITHIN: readonly string[] = ['42883', '42P01', '42703'];

/** Network errors of Node and of the driver, none of which carries a SQLSTATE. */
const CONNECTION_TROUBLE =
  /ECONN|EPIPE|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|Connection terminated|timeout|not queryable|closed/i;

export function storeError(error: unknown): StoreError {
  if (error instanceof StoreError) return error;
  const code = sqlState(error);
  const message = error instanceof Error && error.message !== '' ? error.message : String(error);
  const isReplaced = (code === 'XX000' && REPLACED_FUNCTION.test(message)) || isWithinFunction(error, RENAMED_WITHIN);
  const reason = isReplaced
    ? 'Unavailable'
    : (code && (REASONS[code] ?? REASONS[code.slice(0, 2)])) || networkReason(error, message);
  const server = reason === 'OtherServer' && error instanceof pg.DatabaseError ? error.detail : undefined;
  return new StoreError(reason, message, { cause: error, ...(server === undefined ? {} : { server }) });
}

/** Whether it is one of these SQLSTATEs, of a statement within a function and not of the call itself. */
function isWithinFunction(error: unknown, codes: readonly string[]): boolean {
  return error instanceof pg.DatabaseError && error.where !== undefined && codes.includes(error.code ?? '');
}

function networkReason(error: unknown, message: string): StoreErrorReason {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const nested = error instanceof AggregateError ? error.errors.map(String).join(' ') : '';
  return CONNECTION_TROUBLE.test(`${code} ${message} ${nested}`) ? 'Unavailable' : 'Refused';
}

function sqlState(error: unknown): string | undefined {
  return error instanceof pg.DatabaseError ? error.code : undefined;
}
