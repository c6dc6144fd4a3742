// nginx on loopback: one port for each corpus, with a log that is the same clock for every contender.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort } from '../../support/free-ports.ts';

/** Debian's module that lets nginx answer later (libnginx-mod-http-echo). */
const ECHO_MODULE = '/usr/lib/nginx/modules/ngx_http_echo_module.so';

export type Corpus = {
  readonly name: string;
  /** With `p/…` and `image.png`, see writeSite. */
  readonly folder: string;
  readonly latencyMs: number;
};

export type WebServer = AsyncDisposable & {
  readonly portOf: (corpus: Corpus) => number;
  /** Forgets what was asked for. */
  readonly resetLog: () => Promise<void>;
  /** Milliseconds since 1970 at which the first page was asked for since then, and how many were. */
  readonly pagesAsked: () => Promise<{ readonly firstAt: number; readonly count: number }>;
};

export async function startWebServer(folder: string, corpora: readonly Corpus[]): Promise<WebServer> {
  await mkdir(folder, { recursive: true });
  const log = join(folder, 'access.log');
  const ports = new Map<Corpus, number>();
  for (const corpus of corpora) ports.set(corpus, await freePort());
  const servers = corpora.map((corpus) => serverOf(corpus, ports.get(corpus) ?? 0));
  const configuration = join(folder, 'nginx.conf');
  await writeFile(configuration, configurationOf(folder, log, servers));
  const child = spawn('nginx', ['-p', folder, '-c', configuration, '-e', join(folder, 'error.log')], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  await Promise.all([...ports.values()].map((port) => untilAnswering(port, child.exitCode)));

  return {
    portOf: (corpus) => ports.get(corpus) ?? 0,
    resetLog: () => truncate(log),
    async pagesAsked() {
      const lines = (await readFile(log, 'utf8')).split('\n').filter((line) => line.includes(' /p/'));
      // A line is written at the end of an answer, and says how long that took.
      const starts = lines
        .map((line) => line.split(' '))
        .map(([end, duration]) => (Number(end) - Number(duration)) * 1_000);
      return {
        firstAt: starts.reduce((first, start) => Math.min(first, start), Number.POSITIVE_INFINITY),
        count: starts.length,
      };
    },
    async [Symbol.asyncDispose]() {
      const exited = once(child, 'exit');
      child.kill('SIGQUIT');
      await exited;
    },
  };
}

function configurationOf(folder: string, log: string, servers: readonly string[]): string {
  return `load_module ${ECHO_MODULE};
${process.getuid?.() === 0 ? 'user root;' : ''}
daemon off;
worker_processes 1;
pid ${join(folder, 'nginx.pid')};
events { worker_connections 4096; }
http {
  log_format times '$msec $request_time $request_uri $status';
  access_log ${log} times;
  keepalive_requests 1000000;
  keepalive_timeout 300s;
  sendfile on;
  tcp_nodelay on;
  open_file_cache max=20000 inactive=1h;
  client_body_temp_path ${join(folder, 'client')};
  proxy_temp_path ${join(folder, 'proxy')};
  fastcgi_temp_path ${join(folder, 'fastcgi')};
  uwsgi_temp_path ${join(folder, 'uwsgi')};
  scgi_temp_path ${join(folder, 'scgi')};
${servers.join('\n')}
}
`;
}

function serverOf({ folder, latencyMs }: Corpus, port: number): string {
  const later = latencyMs === 0 ? '' : `echo_sleep ${latencyMs / 1_000}; `;
  const place = (name: string, content: string) =>
    latencyMs === 0
      ? `location /${name}/ { ${content} }`
      : `location /${name}/ { ${later}echo_exec @${name}; } location @${name} { ${content} }`;
  return `  server {
    listen 127.0.0.1:${port} backlog=1024;
    root ${folder};
    types { }
    ${place('p', 'default_type "text/html; charset=utf-8";')}
    ${place('i', 'default_type image/png; rewrite ^ /image.png break;')}
    location / { return 404; }
  }`;
}

async function untilAnswering(port: number, exitCode: number | null): Promise<void> {
  for (const deadline = performance.now() + 10_000; exitCode === null && performance.now() < deadline; ) {
    const answer = await fetch(`http://127.0.0.1:${port}/p/0`).catch(() => undefined);
    if (answer?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('nginx does not answer');
}
