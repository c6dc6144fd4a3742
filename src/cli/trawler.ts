#!/usr/bin/env node
// trawler: crawls on this machine, without a cluster.
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { Command, Option } from 'commander';
import { parseAllowedAddresses } from '../crawler/network/address-policy.ts';
import { describe, dryRun } from '../local/dry-run.ts';
import { crawlLocally, type LocalResult } from '../local/local-crawl.ts';
import { MachineError } from '../local/machine-error.ts';
import { type Manifest, ManifestError, readManifest } from '../local/manifest.ts';
import { createProgressView } from '../local/progress-view.ts';
import { RELEASE } from '../store/release.ts';

/** Exit codes; README.md lists them for people. */
const EXIT = { succeeded: 0, failed: 1, usage: 2, partial: 3, unavailable: 69 } as const;

/** 128 and the number of the signal, as shells have it. */
const SIGNAL_EXIT = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

class UsageError extends Error {}

type Options = {
  readonly file: string;
  readonly format: 'json' | 'jsonl' | 'csv';
  readonly output?: string;
  readonly limit?: number;
  readonly dryRun?: boolean;
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
  readonly allow: readonly string[];
  readonly allowProxy: readonly string[];
};

const collect = (value: string, earlier: readonly string[]) => [...earlier, value];

function pages(text: string): number {
  const parsed = Number(text);
  if (!Number.isInteger(parsed) || parsed < 1) throw new UsageError('--limit: write a whole number above 0');
  return parsed;
}

async function readInput(file: string): Promise<string> {
  try {
    if (file !== '-') return await readFile(file, 'utf8');
    const chunks: Buffer[] = [];
    for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks).toString('utf8');
  } catch (error) {
    throw new UsageError(`cannot read ${file}: ${error instanceof Error ? error.message : error}`);
  }
}

/** The spec as it is crawled here: one worker, within --limit, and its items where the options say. */
function localManifest(manifest: Manifest, { limit }: Options): Manifest {
  const { output: _volume, ...spec } = manifest.spec;
  if (spec.extract?.screenshots !== undefined) {
    throw new UsageError('spec.extract.screenshots: a local crawl keeps no pictures; take the field out');
  }
  if (spec.extract?.module?.path !== undefined) {
    throw new UsageError('spec.extract.module.path: is a path in an image; use module.configMap with a local crawl');
  }
  const maxPages = Math.min(spec.limits.maxPages, limit ?? spec.limits.maxPages);
  return { ...manifest, spec: { ...spec, workers: 1, limits: { ...spec.limits, maxPages } } };
}

function checkOptions({ output, allow }: Options): void {
  if (output !== undefined && !existsSync(dirname(resolve(output)))) {
    throw new UsageError(`--output: there is no folder ${dirname(resolve(output))}`);
  }
  try {
    parseAllowedAddresses(allow.join(','));
  } catch (error) {
    throw new UsageError(`--allow: ${error instanceof Error ? error.message : error}`);
  }
}

/** Signals ask for the end; the exit code tells which one came first. */
function listenForSignals() {
  const controller = new AbortController();
  const listeners: (() => void)[] = [];
  let first: keyof typeof SIGNAL_EXIT | undefined;
  for (const name of Object.keys(SIGNAL_EXIT) as (keyof typeof SIGNAL_EXIT)[]) {
    process.on(name, () => {
      first ??= name;
      controller.abort(new Error('interrupted'));
      for (const listener of listeners) listener();
    });
  }
  return {
    signal: controller.signal,
    onSignal: (listener: () => void) => void listeners.push(listener),
    exitCode: () => (first === undefined ? undefined : SIGNAL_EXIT[first]),
  };
}

async function crawl(options: Options): Promise<number> {
  checkOptions(options);
  const source = options.file === '-' ? 'standard input' : options.file;
  const manifest = localManifest(readManifest(await readInput(options.file), source), options);
  const interruption = listenForSignals();
  const { allow: allowedAddresses, allowProxy: allowedProxies } = options;
  const access = { manifest, allowedAddresses, allowedProxies };
  try {
    if (options.dryRun) {
      const reports = await dryRun({ ...access, signal: interruption.signal });
      console.log(options.json ? JSON.stringify({ sources: reports }) : reports.map(describe).join('\n\n'));
      return reports.every(({ result }) => result === 'done') ? EXIT.succeeded : EXIT.failed;
    }
    const view = createProgressView(process.stderr, options.quiet || options.json || false);
    interruption.onSignal(() => view.say('stopping: pages under way are finished; press Ctrl-C again to give them up'));
    const { format, output: file } = options;
    const result = await crawlLocally({
      ...access,
      output: { format: format.toUpperCase() as 'JSON' | 'JSONL' | 'CSV', ...(file === undefined ? {} : { file }) },
      view,
      ...(options.verbose ? { onLogLine: (line: string) => void process.stderr.write(`${line}\n`) } : {}),
      interruption,
    });
    report(result, options);
    return interruption.exitCode() ?? exitCodeOf(result);
  } catch (error) {
    const code = interruption.exitCode();
    if (code === undefined || error instanceof MachineError) throw error;
    return code;
  }
}

function exitCodeOf({ snapshot }: LocalResult): number {
  switch (snapshot.outcome) {
    case 'Succeeded':
      return EXIT.succeeded;
    case 'Partial':
      return EXIT.partial;
    default:
      return EXIT.failed;
  }
}

/** Beside the items on standard output the report goes to standard error. */
function report(result: LocalResult, { json, quiet, output }: Options): void {
  const { snapshot, failures, items, seconds } = result;
  const { outcome, message, progress, sources, skipReasons, failureCauses } = snapshot;
  const stream = output === undefined ? process.stderr : process.stdout;
  if (json) {
    const { succeeded, failed, skipped } = progress;
    const dead = failures.map(({ url, cause, message: why }) => ({ url, cause, message: why }));
    const { length } = sources;
    const counts = { sources: length, succeeded, failed, skipped, items };
    const facts = { ...counts, skipReasons, failureCauses, failures: dead };
    stream.write(`${JSON.stringify({ outcome, message, seconds: Number(seconds.toFixed(1)), ...facts, output })}\n`);
    return;
  }
  if (quiet) return;
  const lines = [
    `${outcome}${message === undefined ? '' : ` (${message})`}: ${progress.succeeded} pages, ${progress.failed} failed, ${progress.skipped} skipped, ${items} items in ${seconds.toFixed(1)} s`,
    ...failures.map(({ url, cause, message: why }) => `  ${cause} ${url}: ${why}${hintOf(cause)}`),
    ...(progress.failed > failures.length ? [`  and ${progress.failed - failures.length} more failed pages`] : []),
    ...(output === undefined ? [] : [`items are in ${output}`]),
  ];
  stream.write(`${lines.join('\n')}\n`);
}

function hintOf(cause: string): string {
  return cause === 'AddressForbidden' ? ' (--allow HOST:PORT lets this crawl reach a private address)' : '';
}

const program = new Command('trawler')
  .description('Crawls websites by the same files as on Kubernetes, on this machine.')
  .version(RELEASE)
  .showHelpAfterError()
  .exitOverride();

program
  .command('crawl')
  .description('crawl a CrawlSchedule or CrawlRun once, now, with a PostgreSQL of its own that is removed afterwards')
  .requiredOption(
    '-f, --file <file>',
    'YAML of one CrawlSchedule or CrawlRun, with its ConfigMaps and Secrets; - for standard input',
  )
  .addOption(
    new Option('-o, --format <format>', 'format of the items').choices(['json', 'jsonl', 'csv']).default('jsonl'),
  )
  .option('--output <file>', 'write the items to this file; to standard output when left out')
  .option('--limit <pages>', 'crawl at most so many pages', pages)
  .option('--dry-run', 'show the scope of each source and what one page of it gives; store nothing')
  .option('--json', 'report the result, or the dry run, as one JSON object')
  .option(
    '--allow <host:port>',
    'a private address that may be crawled, such as localhost:3000; may be repeated',
    collect,
    [],
  )
  .option('--allow-proxy <host:port>', 'a proxy that spec.proxy may name; may be repeated', collect, [])
  .option('-q, --quiet', 'no progress and no report')
  .option('-v, --verbose', "the worker's log on standard error")
  .addHelpText(
    'after',
    `
Exit codes: ${EXIT.succeeded} succeeded, ${EXIT.failed} failed or timed out, ${EXIT.usage} wrong option or file, ${EXIT.partial} some pages failed,
${EXIT.unavailable} something is missing on this machine, 130 stopped by Ctrl-C (143 by SIGTERM): what was found until then is written.`,
  )
  .action(async (options: Options) => {
    process.exitCode = await crawl(options);
  });

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof Error && 'exitCode' in error && error.constructor.name.startsWith('Commander')) {
    process.exitCode = error.exitCode === 0 ? EXIT.succeeded : EXIT.usage;
  } else if (error instanceof UsageError || error instanceof ManifestError) {
    console.error(`error: ${error.message}`);
    process.exitCode = EXIT.usage;
  } else if (error instanceof MachineError) {
    console.error(`error: ${error.message}`);
    process.exitCode = EXIT.unavailable;
  } else {
    console.error(error instanceof Error ? `error: ${error.message}` : error);
    process.exitCode = EXIT.failed;
  }
}
