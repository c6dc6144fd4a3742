// The operator as a process of its own, bundled as its image has it, so that it can be killed, paused and measured.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { bundle } from '../../dev/build.ts';
import { projectRoot } from '../../dev/setup/paths.mjs';

export interface OperatorProcessOptions {
  /** From bundleOperator. */
  program: string;
  kubeconfigPath: string;
  databaseUrl: string;
  /** Where its Lease lives. */
  namespace: string;
  /** What it prints is appended here. */
  logPath: string;
  /** More of its environment. */
  env?: Record<string, string>;
  /** More flags for its Node. */
  nodeFlags?: string[];
}

export interface OperatorProcess {
  readonly pid: number;
  /** Exit code and signal, when it has ended. */
  readonly ended: Promise<{ code: number | null; signal: string | null }>;
  kill(signal: NodeJS.Signals): void;
}

/** Bundles the operator into the directory; the program's path. */
export async function bundleOperator(directory: string): Promise<string> {
  await mkdir(directory, { recursive: true });
  await bundle(join(projectRoot, 'operator', 'main.ts'), directory);
  return join(directory, 'main.js');
}

/** As in operator/Dockerfile, for glibc and for Node. */
export const MALLOC = { MALLOC_ARENA_MAX: '1', MALLOC_MMAP_THRESHOLD_: '16384' };
const NODE_FLAGS = ['--max-semi-space-size=4', '--heap-growing-percent=15'];

/** Starts it; the kernel ends it together with this process. */
export function spawnOperator(options: OperatorProcessOptions): OperatorProcess {
  const log = openSync(options.logPath, 'a');
  const node = [process.execPath, ...NODE_FLAGS, ...(options.nodeFlags ?? []), options.program, 'operator'];
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', ...node], {
    stdio: ['ignore', log, log],
    env: {
      PATH: process.env['PATH'],
      ...MALLOC,
      KUBECONFIG: options.kubeconfigPath,
      TRAWLER_DATABASE_URL: options.databaseUrl,
      TRAWLER_GATEWAY_URL: 'https://trawler-gateway.trawler-system.svc:8443',
      TRAWLER_NAMESPACE: options.namespace,
      TRAWLER_HEALTH_PORT: '0',
      TRAWLER_METRICS_PORT: '0',
      ...options.env,
    },
  });
  closeSync(log);
  return {
    pid: child.pid ?? 0,
    ended: endOf(child),
    kill: (signal) => child.kill(signal),
  };
}

async function endOf(child: ChildProcess): Promise<{ code: number | null; signal: string | null }> {
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
  return { code, signal };
}
