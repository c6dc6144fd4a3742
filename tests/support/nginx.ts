// A real nginx that serves a folder and keeps an access log, on a free port, gone with the test.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './free-ports.ts';

/** One request as nginx logged it. */
export type NginxAccess = {
  /** When its first byte was read, in milliseconds since the epoch. */
  readonly time: number;
  readonly status: number;
  readonly path: string;
};

export type Nginx = AsyncDisposable & {
  readonly port: number;
  readonly origin: string;
  /** Every request so far, in order of time. */
  accesses(): Promise<readonly NginxAccess[]>;
};

/** Its log tells when requests arrive, and not when a busy machine lets it look at them. */
const prompt = spawnSync('chrt', ['--fifo', '10', 'true']).status === 0 ? ['chrt', '--fifo', '10'] : [];

export async function startNginx(root: string): Promise<Nginx> {
  const folder = await mkdtemp(join(tmpdir(), 'trawler-nginx-'));
  const port = await freePort();
  const log = join(folder, 'access.log');
  await writeFile(join(folder, 'nginx.conf'), configuration(root, port, log));
  // The kernel stops nginx when this process dies, however it dies.
  const nginx = ['/usr/sbin/nginx', '-p', folder, '-c', join(folder, 'nginx.conf'), '-e', 'stderr'];
  const server = spawn('setpriv', ['--pdeathsig', 'TERM', ...prompt, ...nginx], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const ended = once(server, 'exit');
  const origin = `http://127.0.0.1:${port}`;
  while (!(await fetch(`${origin}/answers`).catch(() => undefined))) {
    if (server.exitCode !== null) throw new Error('nginx ended while starting');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }

  return {
    port,
    origin,
    async accesses() {
      const lines = (await readFile(log, 'utf8')).split('\n').filter((line) => line !== '');
      const entries = lines.map((line) => {
        const [ended, seconds, status, path = ''] = line.split(' ');
        return { time: Math.round((Number(ended) - Number(seconds)) * 1_000), status: Number(status), path };
      });
      return entries.sort((a, b) => a.time - b.time);
    },
    async [Symbol.asyncDispose]() {
      server.kill('SIGTERM');
      await ended;
      await rm(folder, { recursive: true });
    },
  };
}

function configuration(root: string, port: number, log: string): string {
  // As root, nginx would serve as somebody who may not read a folder under /root.
  return `${process.getuid?.() === 0 ? 'user root;' : ''}
    daemon off; worker_processes 1; pid nginx.pid;
    events {}
    http {
      types { text/html html htm; text/css css; image/svg+xml svg; }
      log_format times '$msec $request_time $status $request_uri';
      client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi;
      scgi_temp_path scgi;
      server {
        listen 127.0.0.1:${port};
        root ${root};
        access_log ${log} times; log_not_found off;
        location = /answers { access_log off; return 204; }
      }
    }`;
}
