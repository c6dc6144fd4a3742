// A real PgBouncer before a database, which gives each transaction whichever of its few sessions is free. That of Debian 12 knows
// nothing of prepared statements. Gone with the test.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './free-ports.ts';
import { UNPRIVILEGED } from './postgres.ts';

export type PgBouncer = AsyncDisposable & { readonly databaseUrl: string };

/** @param databaseUrl with the login that both sides use */
export async function startPgBouncer(databaseUrl: string, sessions: number): Promise<PgBouncer> {
  const behind = new URL(databaseUrl);
  const folder = await mkdtemp(join(tmpdir(), 'trawler-pgbouncer-'));
  const port = await freePort();
  const login = [behind.username, behind.password].map((part) => JSON.stringify(decodeURIComponent(part))).join(' ');
  await writeFile(join(folder, 'users.txt'), `${login}\n`);
  await writeFile(
    join(folder, 'pgbouncer.ini'),
    [
      '[databases]',
      `* = host=${behind.hostname} port=${behind.port}`,
      '[pgbouncer]',
      'listen_addr = 127.0.0.1',
      `listen_port = ${port}`,
      'unix_socket_dir =',
      'auth_type = scram-sha-256',
      `auth_file = ${join(folder, 'users.txt')}`,
      'pool_mode = transaction',
      `default_pool_size = ${sessions}`,
      '',
    ].join('\n'),
  );
  // It does not run as root, and reads its files as whoever it runs as.
  for (const path of [folder, join(folder, 'users.txt'), join(folder, 'pgbouncer.ini')]) await chmod(path, 0o755);
  // The kernel stops it when this process dies, however it dies.
  const program = ['/usr/sbin/pgbouncer', '-q', join(folder, 'pgbouncer.ini')];
  const user = UNPRIVILEGED === undefined ? [] : [`--reuid=${UNPRIVILEGED.uid}`, '--clear-groups'];
  const child = spawn('setpriv', ['--pdeathsig', 'TERM', ...user, ...program], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const ended = once(child, 'exit');
  while (!(await listens(port))) {
    if (child.exitCode !== null) throw new Error('pgbouncer ended while starting');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  behind.hostname = '127.0.0.1';
  behind.port = String(port);
  return {
    databaseUrl: behind.href,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await ended;
      await rm(folder, { recursive: true });
    },
  };
}

async function listens(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
