// Copies of a running PostgreSQL server: a standby that streams from it, and a restore to an earlier time.
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { freePort } from './free-ports.ts';
import { binariesOf, type PostgresServer, removeNow, spawnServer, UNPRIVILEGED, untilReady } from './postgres.ts';

const run = promisify(execFile);

/** A base backup of a server, not started yet; needs `wal_level = replica` there, which is the default. */
export type BaseBackup = AsyncDisposable & {
  /** Starts it as a standby that streams from this port, and resolves when it answers. */
  startStandby(primaryPort: number): Promise<PostgresCopy>;
  /** Starts it as a server of its own that goes on from this place in the archived log (an LSN). */
  startRestored(archive: string, targetLsn: string): Promise<PostgresCopy>;
};

export type PostgresCopy = { readonly host: string; readonly port: number };

export async function takeBaseBackup(server: PostgresServer): Promise<BaseBackup> {
  const binaries = await binariesOf(server.version);
  const directory = await mkdtemp(path.join(tmpdir(), 'trawler-postgres-copy-'));
  if (UNPRIVILEGED) await chown(directory, UNPRIVILEGED.uid, UNPRIVILEGED.gid);
  const data = path.join(directory, 'data');
  const { host, port, user, password } = server.superuser;
  await run(
    path.join(binaries, 'pg_basebackup'),
    ['-D', data, '-h', host, '-p', String(port), '-U', user, '-X', 'stream', '-c', 'fast', '--no-sync'],
    { cwd: directory, env: { ...process.env, PGPASSWORD: password }, ...UNPRIVILEGED },
  );
  let child: ReturnType<typeof spawnServer> | undefined;

  async function start(settings: Readonly<Record<string, string>>, signalFile: string): Promise<PostgresCopy> {
    const copy = { host: '127.0.0.1', port: await freePort() };
    const lines = Object.entries({ ...settings, port: String(copy.port) }).map(
      ([name, value]) => `${name} = '${value}'`,
    );
    await appendFile(path.join(data, 'postgresql.conf'), `${lines.join('\n')}\n`);
    await writeFile(path.join(data, signalFile), '');
    if (UNPRIVILEGED) await chown(path.join(data, signalFile), UNPRIVILEGED.uid, UNPRIVILEGED.gid);
    let log = '';
    child = spawnServer(binaries, data, (text) => {
      log += text;
    });
    await untilReady(child, { ...server.superuser, port: copy.port }, () => log);
    return copy;
  }

  const removeOnExit = () => {
    child?.kill('SIGQUIT');
    removeNow(directory);
  };
  process.once('exit', removeOnExit);
  return {
    startStandby: (primaryPort) =>
      start(
        { primary_conninfo: `host=127.0.0.1 port=${primaryPort} user=${user} password=${password}`, hot_standby: 'on' },
        'standby.signal',
      ),
    startRestored: (archive, targetLsn) =>
      start(
        {
          archive_mode: 'off',
          restore_command: `cp "${archive}/%f" "%p"`,
          recovery_target_lsn: targetLsn,
          recovery_target_action: 'promote',
        },
        'recovery.signal',
      ),
    async [Symbol.asyncDispose]() {
      if (child !== undefined && child.exitCode === null) {
        const exited = once(child, 'exit');
        child.kill('SIGQUIT');
        await exited;
      }
      await rm(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
      process.removeListener('exit', removeOnExit);
    },
  };
}
