// Provides Kubernetes' programs: from the cache, else as official releases, else compiled here. Only one process does
// it at a time; the others wait for it and show its progress.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { binariesPresent, binDirectory, goBuildFlags, kubeliteSource, programs } from './kubernetes-binaries.mjs';
import { cacheDirectory } from './paths.mjs';
import { downloadReleases, officialReleases } from './releases.mjs';

/** @typedef {{ report: (line: string) => void, signal: AbortSignal }} Options */

const lockPath = join(cacheDirectory, 'kubernetes.lock');
const progressPath = join(cacheDirectory, 'kubernetes.progress');
const unfinished = `${binDirectory}.unfinished`;

/**
 * Resolves, with a word on where they come from, when all programs are in the cache.
 * @param {Options} options
 * @returns {Promise<string>}
 */
export async function provideBinaries({ report, signal }) {
  while (!binariesPresent()) {
    signal.throwIfAborted();
    if (takeLock()) {
      try {
        return await provide({ report: announce(report), signal });
      } finally {
        rmSync(lockPath, { force: true });
      }
    }
    report(progress());
    await delay(1000, undefined, { signal });
  }
  return 'in the cache';
}

/**
 * The process that provides the programs right now, if there is one.
 * @returns {number | undefined}
 */
export function providingProcess() {
  try {
    const pid = Number(readFileSync(lockPath, 'utf8'));
    // A number may be used again after a crash: only a process of ours counts.
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('node') ? pid : undefined;
  } catch {
    return undefined;
  }
}

/** True when this process is now the one to do it. */
function takeLock() {
  if (providingProcess() !== undefined) return false;
  mkdirSync(cacheDirectory, { recursive: true });
  rmSync(lockPath, { force: true });
  try {
    writeFileSync(lockPath, String(process.pid), { flag: 'wx' });
    return true;
  } catch {
    return false;
  }
}

/**
 * Shows progress to this process and to those that wait.
 * @param {(line: string) => void} report
 */
function announce(report) {
  return (/** @type {string} */ line) => {
    writeFileSync(progressPath, line);
    report(line);
  };
}

function progress() {
  return existsSync(progressPath) ? readFileSync(progressPath, 'utf8') : 'being provided by another process';
}

/** @param {Options} options */
async function provide(options) {
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(unfinished, { recursive: true });
  let how = 'downloaded';
  try {
    await downloadReleases(unfinished, officialReleases(), options);
  } catch (error) {
    options.signal.throwIfAborted();
    options.report(`no official release within reach (${reasonOf(error)}); compiling it instead`);
    rmSync(unfinished, { recursive: true, force: true });
    mkdirSync(unfinished, { recursive: true });
    await compile(options);
    how = 'compiled';
  }
  mkdirSync(dirname(binDirectory), { recursive: true });
  renameSync(unfinished, binDirectory);
  return how;
}

/** @param {unknown} error */
function reasonOf(error) {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}

/** @param {Options} options */
async function compile({ report, signal }) {
  if (spawnSync('go', ['version']).status !== 0) {
    throw new Error(
      'Go is missing: install Go 1.25 or newer (https://go.dev/dl/, or Debian bookworm-backports) and call again',
    );
  }
  const started = Date.now();
  report('compiling Kubernetes: fetching its source (only the first time)');
  await run(['mod', 'download'], () => {}, signal);
  const total = await countStale(signal);
  let done = 0;
  const show = () => {
    const seconds = Math.round((Date.now() - started) / 1000);
    const time = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
    report(
      `compiling Kubernetes: ${done} of ${total} packages, ${time} so far (only the first time, 10 min on 2 cores)`,
    );
  };
  const timer = setInterval(show, 5000);
  try {
    const output = join(unfinished, 'kubelite');
    // With -v the compiler names each package that it compiles.
    await run(
      ['build', '-v', ...goBuildFlags, '-o', output, '.'],
      (line) => {
        if (!line.includes(' ')) done += 1;
      },
      signal,
    );
  } finally {
    clearInterval(timer);
  }
  for (const program of programs) symlinkSync('kubelite', join(unfinished, program));
}

/** @param {AbortSignal} signal */
async function countStale(signal) {
  let count = 0;
  await run(
    ['list', '-deps', ...goBuildFlags, '-f', '{{if .Stale}}stale{{end}}', '.'],
    (line) => {
      if (line === 'stale') count += 1;
    },
    signal,
  );
  return count;
}

/**
 * Runs go in dev/kubelite; a failure carries the end of what it printed.
 * @param {string[]} args
 * @param {(line: string) => void} onLine
 * @param {AbortSignal} signal
 */
async function run(args, onLine, signal) {
  const child = spawn('go', args, {
    cwd: kubeliteSource,
    // GOGC: fewer collections in the compiler, a fifth faster for memory that is there.
    env: { GOGC: '200', ...process.env, CGO_ENABLED: '0' },
    stdio: ['ignore', 'pipe', 'pipe'],
    signal,
  });
  /** @type {string[]} */
  const last = [];
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      last.push(line);
      if (last.length > 20) last.shift();
      onLine(line);
    });
  }
  const code = await new Promise((resolve, reject) => child.on('error', reject).on('close', resolve));
  if (code !== 0) throw new Error(`go ${args[0]} failed:\n${last.join('\n')}`);
}
