// The worker of a local crawl as a child process: started, watched, asked to stop, and started again after a crash.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { hostname } from 'node:os';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { EXIT_CODE, FATAL_EXIT_CODES } from '../resources/worker-exit.ts';
import type { CleanUp } from './clean-up.ts';

const PROGRAM = fileURLToPath(new URL('./local-worker.ts', import.meta.url));
/** A worker that goes on crashing is not started for ever. */
const MOST_CRASHES = 3;

export type WorkerRun = {
  /** Resolves when no worker runs any more, with why the run cannot go on, if it cannot. */
  readonly ended: Promise<{ readonly failure?: string }>;
  /** The first call finishes pages under way, the second gives them up, the third kills. */
  readonly stop: () => void;
};

export function startWorker(options: {
  readonly environment: Readonly<Record<string, string>>;
  readonly cleanUp: CleanUp;
  /** A line of the worker's log. */
  readonly onLine: (line: string) => void;
  /** What a worker held is given back before the next one starts. */
  readonly release: (workerId: string) => Promise<void>;
}): WorkerRun {
  const { environment, cleanUp, onLine, release } = options;
  let child: ChildProcess | undefined;
  let stops = 0;

  async function one(workerId: string): Promise<{ readonly code: number; readonly last?: string }> {
    child = spawn(process.execPath, [PROGRAM], {
      env: { ...environment, TRAWLER_WORKER_ID: workerId, TRAWLER_POD_NAME: hostname() || 'local' },
      stdio: ['ignore', 'pipe', 'pipe'],
      // Ctrl-C in a terminal reaches this process alone, which then stops the worker in its own way.
      detached: true,
    });
    cleanUp.owns(child);
    const closed = once(child, 'close');
    let last: string | undefined;
    for (const stream of [child.stdout, child.stderr]) {
      if (stream === null) continue;
      createInterface({ input: stream }).on('line', (line) => {
        last = fatalMessage(line) ?? last;
        onLine(line);
      });
    }
    const [code] = (await closed) as [number | null];
    return { code: code ?? EXIT_CODE.crashed, ...(last === undefined ? {} : { last }) };
  }

  async function all(): Promise<{ readonly failure?: string }> {
    for (let crashes = 0; ; ) {
      const workerId = randomUUID();
      const { code, last } = await one(workerId);
      if (code === EXIT_CODE.finished) return {};
      await release(workerId);
      if (stops > 0) return {};
      if (FATAL_EXIT_CODES.some((fatal) => fatal === code)) return { failure: last ?? `the worker ended with ${code}` };
      if (code !== EXIT_CODE.stopped) crashes += 1;
      if (crashes > MOST_CRASHES) return { failure: `the worker crashed ${crashes} times: ${last ?? `code ${code}`}` };
    }
  }

  return {
    ended: all(),
    stop() {
      stops += 1;
      child?.kill(stops > 2 ? 'SIGKILL' : 'SIGTERM');
    },
  };
}

/** What the worker says of its end; undefined for any other line. */
function fatalMessage(line: string): string | undefined {
  if (!line.startsWith('{') || !line.includes('"level":"fatal"')) return undefined;
  const { reason, error, err } = JSON.parse(line) as { reason?: string; error?: string; err?: { message?: string } };
  return [reason, error ?? err?.message].filter(Boolean).join(': ');
}
