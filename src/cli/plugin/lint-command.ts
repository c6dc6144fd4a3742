// `kubectl trawler lint`: whether CrawlSchedules, CrawlRuns and CrawlBackfills of files are such as the API server and the operator take, without asking them.
import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { type Command, Option } from 'commander';
import { type LintedResource, lintResources, ManifestError } from '../../local/manifest.ts';
import { parseCron } from '../../schedule/cron.ts';
import { globalOptions, UsageError } from './session.ts';

const DEFAULT_TIME_ZONE = 'Etc/UTC';

type Linted = Pick<LintedResource, 'name' | 'problems'> & { readonly file: string };

export function addLint(program: Command): void {
  program
    .command('lint <files...>')
    .description(
      'check CrawlSchedules, CrawlRuns and CrawlBackfills in files, without a cluster; "-" is standard input',
    )
    .addOption(new Option('-o, --output <format>', 'how it is printed').choices(['text', 'json']).default('text'))
    .action(async (files: string[], { output }: { readonly output: 'text' | 'json' }, command: Command) => {
      const linted: Linted[] = [];
      for (const file of files) linted.push(...lint(file, await read(file)));
      const asJson = output === 'json' || globalOptions(command).json;
      console.log(asJson ? JSON.stringify({ items: linted }) : linted.flatMap(linesOf).join('\n'));
      if (linted.some(({ problems }) => problems.length > 0)) process.exitCode = 1;
    });
}

async function read(file: string): Promise<string> {
  try {
    return file === '-' ? await text(process.stdin) : await readFile(file, 'utf8');
  } catch (error) {
    throw new UsageError(`cannot read ${file}: ${error instanceof Error ? error.message : error}`);
  }
}

/** Text that is no YAML, and a file without resources, are problems of the file. */
function lint(file: string, content: string): Linted[] {
  try {
    const found = lintResources(content, file);
    if (found.length > 0) {
      return found.map(({ name, spec, problems }) => ({ file, name, problems: [...problems, ...timeProblems(spec)] }));
    }
    return [{ file, name: '', problems: [{ path: '', message: 'holds no CrawlSchedule, CrawlRun or CrawlBackfill' }] }];
  } catch (error) {
    if (error instanceof ManifestError) return [{ file, name: '', problems: error.problems }];
    throw error;
  }
}

/** What the API server takes and the operator then refuses: an expression or a time zone that says nothing. */
function timeProblems(spec: unknown): LintedResource['problems'] {
  const { schedule, timeZone = DEFAULT_TIME_ZONE } = (spec ?? {}) as { schedule?: unknown; timeZone?: unknown };
  if (typeof schedule !== 'string' || typeof timeZone !== 'string') return [];
  const parsed = parseCron(schedule, timeZone, '');
  if (parsed.ok) return [];
  const path = parsed.error.reason === 'UnknownTimeZone' ? 'spec.timeZone' : 'spec.schedule';
  return [{ path, message: parsed.error.message }];
}

function linesOf({ file, name, problems }: Linted): string[] {
  if (problems.length === 0) return [`${file}: ${name}: ok`];
  return problems.map(({ path, message }) => [file, name, path, message].filter(Boolean).join(': '));
}
