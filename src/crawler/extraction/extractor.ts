// The worker's end of the extractor process: one page at a time, within a time, and a new process when one has failed.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, realpathSync } from 'node:fs';
import { findPackageJSON } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { CrawlRunSpec } from '../../resources/crawl-run.ts';
import type { Logger } from '../../telemetry/logger.ts';
import { CrawlError } from '../failure.ts';
import {
  type ExtractorAnswer,
  type ExtractorJob,
  type ExtractorStart,
  extractorAnswer,
  type FromExtractor,
  MAX_JSON,
} from './extractor-messages.ts';

/** JavaScript memory of the process, in megabytes. */
const MEMORY_MB = 192;
/** How long the module may take to be loaded, in milliseconds. */
const LOAD_MS = 30_000;
/** Of one line that the module prints, in characters. */
const MAX_PRINTED = 2_000;

/** A module that cannot be loaded, so that no page could be read. */
export class ExtractorModuleError extends Error {
  override readonly name = 'ExtractorModuleError';
}

export type Extractor = {
  /**
   * The items of one page. Pages wait for each other; the time counts from when it is this one's turn. Rejects with a
   * CrawlError when the module threw, answered what cannot be stored, or took too long; with the signal's reason when
   * that is aborted.
   */
  readonly extract: (job: ExtractorJob, timeoutMs: number, signal: AbortSignal) => Promise<ExtractorAnswer>;
  readonly close: () => Promise<void>;
};

/** Where the module is in the worker's pod; undefined for a run without one. */
export function modulePathOf(spec: CrawlRunSpec, mountDirectory: string): string | undefined {
  const module = spec.extract?.module;
  if (module === undefined) return undefined;
  return module.path ?? join(mountDirectory, module.configMap?.key ?? '');
}

/** Rejects with an ExtractorModuleError when the module cannot be used. */
export async function startExtractor(start: ExtractorStart, log: Logger): Promise<Extractor> {
  const { modulePath } = start;
  if (modulePath !== undefined && !existsSync(modulePath)) {
    throw new ExtractorModuleError(`extract.module: there is no ${modulePath}; does the ConfigMap have that key?`);
  }
  let process: ExtractorProcess | undefined = await startProcess(start, log);
  let turn: Promise<unknown> = Promise.resolve();

  async function restarted(): Promise<ExtractorProcess> {
    try {
      return await startProcess(start, log);
    } catch (error) {
      // It could be loaded before: this is the machine's trouble, or a whim of the module.
      const message = error instanceof Error ? error.message : String(error);
      throw new CrawlError({ cause: 'ExtractionError', message, retryable: true });
    }
  }

  async function ask(job: ExtractorJob, timeoutMs: number, signal: AbortSignal): Promise<ExtractorAnswer> {
    signal.throwIfAborted();
    process ??= await restarted();
    const tooLate = AbortSignal.timeout(timeoutMs);
    const answer = await process.ask(job, AbortSignal.any([signal, tooLate]));
    if (answer.type === 'done') return { ...checked(answer.json), ...(answer.isTextCut ? { isTextCut: true } : {}) };
    if (answer.type === 'failed') throw extractionError(`the extractor failed: ${answer.message}`);
    // Whatever it does now, it is not to go on: a loop has no other end.
    await process.close();
    process = undefined;
    signal.throwIfAborted();
    if (!tooLate.aborted) throw extractionError('the extractor process ended, perhaps out of memory');
    const message = `the extractor took more than ${Math.round(timeoutMs)} ms`;
    throw new CrawlError({ cause: 'Timeout', message, retryable: true });
  }

  return {
    extract(job, timeoutMs, signal) {
      const answer = turn.then(() => ask(job, timeoutMs, signal));
      turn = answer.catch(() => {});
      return answer;
    },
    async close() {
      await process?.close();
      process = undefined;
    },
  };
}

function checked(json: string): Pick<ExtractorAnswer, 'items' | 'links'> {
  if (json.length > MAX_JSON) {
    throw extractionError(`the extractor gave ${json.length} characters of JSON, and ${MAX_JSON} are allowed`);
  }
  const answer = extractorAnswer.safeParse(JSON.parse(json));
  if (answer.success) return answer.data;
  const message = answer.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ');
  throw extractionError(`the extractor must return a list of items, or { items, links }: ${message.slice(0, 1_000)}`);
}

function extractionError(message: string): CrawlError {
  return new CrawlError({ cause: 'ExtractionError', message, retryable: false });
}

type Answer = Extract<FromExtractor, { type: 'done' | 'failed' }> | { readonly type: 'none' };

type ExtractorProcess = {
  /** `none` when the process ended or the signal was aborted before it answered. */
  readonly ask: (job: ExtractorJob, signal: AbortSignal) => Promise<Answer>;
  readonly close: () => Promise<void>;
};

async function startProcess(start: ExtractorStart, log: Logger): Promise<ExtractorProcess> {
  const child = fork(fileURLToPath(new URL('./extractor-process.ts', import.meta.url)), [JSON.stringify(start)], {
    env: {},
    execArgv: [
      '--permission',
      ...readablePaths(start).map((path) => `--allow-fs-read=${path}`),
      `--max-old-space-size=${MEMORY_MB}`,
    ],
    serialization: 'advanced',
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  const exited = once(child, 'exit');
  logPrinted(child, log);
  const process: ExtractorProcess = {
    async ask(job, signal) {
      const answer = nextMessage(child, exited, signal);
      // A process that has just ended cannot be sent anything: its end is the answer.
      child.send(job, () => {});
      const message = await answer;
      return message?.type === 'done' || message?.type === 'failed' ? message : { type: 'none' };
    },
    async close() {
      child.kill('SIGKILL');
      await exited;
    },
  };
  const first = await nextMessage(child, exited, AbortSignal.timeout(LOAD_MS));
  if (first?.type === 'ready') return process;
  await process.close();
  const why = first?.type === 'refused' ? first.message : 'it ended, or took too long, before it was loaded';
  throw new ExtractorModuleError(`extract.module: the module cannot be used: ${why}`);
}

/** Undefined when the process ended or the signal was aborted before one came. */
async function nextMessage(
  child: ChildProcess,
  exited: Promise<unknown>,
  signal: AbortSignal,
): Promise<FromExtractor | undefined> {
  const over = new AbortController();
  const either = AbortSignal.any([signal, over.signal]);
  try {
    return await Promise.race([
      once(child, 'message', { signal: either }).then(([message]) => message as FromExtractor),
      exited.then(() => undefined),
    ]);
  } catch (error) {
    if (signal.aborted) return undefined;
    throw error;
  } finally {
    over.abort();
  }
}

/** The program itself, which loads parts of it when they are needed, and the module with what lies beside it. */
function readablePaths({ modulePath }: ExtractorStart): string[] {
  const program = dirname(findPackageJSON('.', import.meta.url) ?? fileURLToPath(import.meta.url));
  const packages = join(program, 'node_modules');
  return [
    program,
    // Package managers may keep packages elsewhere and link to them.
    ...(existsSync(packages) ? [realpathSync(packages)] : []),
    ...(modulePath === undefined ? [] : [dirname(modulePath)]),
  ];
}

function logPrinted(child: ChildProcess, log: Logger): void {
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.setEncoding('utf8').on('data', (text: string) => {
      log.info({ stream: name, text: text.trimEnd().slice(0, MAX_PRINTED) }, 'extractor printed');
    });
  }
}
