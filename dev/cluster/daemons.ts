// Programs of the native cluster that outlive the command that started them. A mark in their environment tells them
// from all other processes, so there are no pid files that could be stale or missing after a crash.
import { spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { clusterDirectory } from '../setup/paths.mjs';
import type { Program } from './control-plane.ts';
import { sendSignal } from './signals.ts';

const mark = `TRAWLER_CLUSTER=${clusterDirectory}`;

export interface Daemon {
  pid: number;
  /** The program's; helpers that a daemon starts (containerd's shims) have that of their file. */
  name: string;
  args: string[];
}

/** Every living process of this cluster: the daemons and the helpers that inherited their mark. */
export async function findDaemons(): Promise<Daemon[]> {
  const pids = (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry)).map(Number);
  const found = await Promise.all(pids.map(inspect));
  return found.filter((daemon) => daemon !== undefined);
}

async function inspect(pid: number): Promise<Daemon | undefined> {
  if (pid === process.pid) return undefined;
  try {
    const environment = await readFile(`/proc/${pid}/environ`, 'utf8');
    if (!environment.split('\0').includes(mark)) return undefined;
    const [path = '', ...args] = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0').slice(0, -1);
    // A process that has ended but was not reaped yet has no command line.
    return path === '' ? undefined : { pid, name: basename(path), args };
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

function isGone(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return code === 'ENOENT' || code === 'ESRCH' || code === 'EACCES';
}

export function logPath(name: string): string {
  return join(clusterDirectory, 'log', `${name}.log`);
}

/**
 * Makes sure that the program runs, with exactly these arguments and files: leaves it alone if so, replaces it if it
 * runs with others, starts it if it does not run. Returns whether it started it.
 */
export async function ensureDaemon(program: Program): Promise<boolean> {
  const same = (await findDaemons()).filter(({ name }) => name === program.name);
  const changed = await changedFiles(program);
  const current = same.find(({ args }) => changed.length === 0 && args.join('\0') === program.args.join('\0'));
  await stopDaemons(same.filter((daemon) => daemon !== current));
  if (current) return false;
  for (const [path, content] of changed) {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, content);
  }

  mkdirSync(join(clusterDirectory, 'log'), { recursive: true });
  const log = openSync(logPath(program.name), 'a');
  try {
    const child = spawn(program.path, program.args, {
      cwd: clusterDirectory,
      argv0: program.name,
      env: { ...process.env, TRAWLER_CLUSTER: clusterDirectory },
      detached: true,
      stdio: ['ignore', log, log],
    });
    await new Promise((resolve, reject) => child.once('spawn', resolve).once('error', reject));
    child.unref();
  } finally {
    closeSync(log);
  }
  return true;
}

async function changedFiles({ files = {} }: Program): Promise<[path: string, content: string][]> {
  const same = async ([path, content]: [string, string]) =>
    existsSync(path) && (await readFile(path, 'utf8')) === content;
  const entries = Object.entries(files);
  const unchanged = await Promise.all(entries.map(same));
  return entries.filter((_, index) => !unchanged[index]);
}

/** Asks the processes to end, by force those that have not after 10 s; resolves when none is left. */
export async function stopDaemons(daemons: Daemon[], first: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
  for (const { pid } of daemons) sendSignal(pid, first);
  const deadline = Date.now() + 10_000;
  let left = daemons;
  while (left.length > 0) {
    if (Date.now() > deadline) for (const { pid } of left) sendSignal(pid, 'SIGKILL');
    await delay(50);
    left = await stillRunning(left);
  }
}

async function stillRunning(daemons: Daemon[]): Promise<Daemon[]> {
  const now = new Set((await findDaemons()).map(({ pid }) => pid));
  return daemons.filter(({ pid }) => now.has(pid));
}

/** The end of a daemon's log, for error messages. */
export async function logTail(name: string, lines = 8): Promise<string> {
  try {
    const text = await readFile(logPath(name), 'utf8');
    return text.trimEnd().split('\n').slice(-lines).join('\n');
  } catch (error) {
    if (isGone(error)) return '(no log)';
    throw error;
  }
}
