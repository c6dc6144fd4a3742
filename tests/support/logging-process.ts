// A process of Trawler whose log lines are read as they come.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

export type LogLine = Readonly<Record<string, unknown>> & { readonly level: string; readonly msg: string };

export type LoggingProcess = {
  readonly process: ChildProcess;
  /** What it logged so far. */
  readonly lines: readonly LogLine[];
  /** Resolves with the exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>;
};

/** Where Node keeps what it has compiled of the source: a start takes half the time. */
export const COMPILE_CACHE = { NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] ?? '' };

/** Runs a program of this project with nothing but this environment; the kernel ends it together with this process. */
export function startLoggingProcess(
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
): LoggingProcess {
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', process.execPath, ...args], {
    env: { PATH: process.env['PATH'] ?? '', ...COMPILE_CACHE, ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines: LogLine[] = [];
  let rest = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const parts = (rest + text).split('\n');
    rest = parts.pop() ?? '';
    for (const part of parts) if (part !== '') lines.push(JSON.parse(part) as LogLine);
  });
  const ended = once(child, 'close').then(([code, signal]) => (code ?? signal) as number | NodeJS.Signals);
  return { process: child, lines, ended };
}
