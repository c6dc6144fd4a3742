// `kubectl trawler top`: the runs at work, the fastest first, with their pages a second, memory and workers.
import { setTimeout as delay } from 'node:timers/promises';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { durationMs } from '../../resources/duration.ts';
import type { RunWorker } from '../../server/runs/run-detail-routes.ts';
import type { Column } from '../table.ts';
import { type Outlook, outlookInWords, outlookOf, type Sample } from './outlook.ts';
import { type Format, formatOption, pagesOf, printRows } from './rows.ts';
import { sourcesOf, workersOf } from './run-detail-commands.ts';
import { globalOptions, namespaceOf, untilInterrupted } from './session.ts';
import { type TrawlerServer, withServer, withServerOptions } from './trawler-server.ts';

type Options = { readonly output: Format; readonly over: number; readonly sortBy: 'rate' | 'memory' | 'workers' };

type TopRow = {
  readonly run: string;
  readonly phase: string;
  readonly rate: number;
  readonly workers: number;
  readonly memoryBytes: number;
  readonly done: number;
  readonly known: number;
  readonly outlook: Outlook;
};

const COLUMNS: readonly Column<TopRow>[] = [
  ['RUN', ({ run }) => run],
  ['PHASE', ({ phase }) => phase],
  ['PAGES/S', ({ rate }) => rate.toFixed(1)],
  ['MEMORY', ({ memoryBytes }) => `${Math.round(memoryBytes / 1_048_576)}Mi`],
  ['WORKERS', ({ workers }) => String(workers)],
  ['DONE', ({ done, known }) => `${done}/${known}`],
  ['OUTLOOK', ({ outlook }) => outlookInWords(outlook)],
];

/** These may have workers. */
const PHASES = ['Running', 'Stopping'] as const;
/** Rows of one list. */
const MOST = 1_000;

export function addTop(program: Command): void {
  const command = program
    .command('top')
    .description('the runs at work: pages a second, memory, workers')
    .addOption(
      new Option('--sort-by <column>', 'what comes first').choices(['rate', 'memory', 'workers']).default('rate'),
    )
    .option('--over <duration>', 'how long pages are counted for their rate', milliseconds, 5_000)
    .addOption(formatOption());
  withServerOptions(command).action(async ({ output, over, sortBy }: Options) => {
    const namespace = namespaceOf(globalOptions(command));
    await withServer(command, async (server) => {
      const rows = await topRows(server, namespace, over, untilInterrupted());
      const weight = { rate: 'rate', memory: 'memoryBytes', workers: 'workers' } as const;
      const sorted = rows.toSorted((a, b) => b[weight[sortBy]] - a[weight[sortBy]]);
      await printRows(oneOrNone(sorted), output, COLUMNS, ({ outlook, ...row }) => ({ ...row, ...outlook }));
    });
  });
}

async function topRows(
  server: TrawlerServer,
  namespace: string,
  overMs: number,
  signal: AbortSignal,
): Promise<TopRow[]> {
  const runs = await liveRuns(server, namespace, signal);
  const before = await Promise.all(runs.map(({ name }) => sampleOf(server, { namespace, name }, signal)));
  if (runs.length > 0) await delay(overMs, undefined, { signal });
  return Promise.all(
    runs.map(async ({ name, phase }, index): Promise<TopRow> => {
      const now = await sampleOf(server, { namespace, name }, signal);
      const outlook = outlookOf([before[index] ?? now, now]);
      const workers = await livingWorkers(server, { namespace, name }, signal);
      const memoryBytes = workers.reduce((sum, worker) => sum + worker.memoryBytes, 0);
      const { done, known } = now;
      return { run: name, phase, rate: outlook.rate, workers: workers.length, memoryBytes, done, known, outlook };
    }),
  );
}

type LiveRun = { readonly name: string; readonly phase: string };

async function liveRuns(server: TrawlerServer, namespace: string, signal: AbortSignal): Promise<LiveRun[]> {
  const found: LiveRun[] = [];
  for (const phase of PHASES) {
    const pages = pagesOf((page) => {
      const params = { path: { namespace }, query: { phase, ...page } };
      return server.GET('/api/v1/namespaces/{namespace}/runs', { params, signal });
    }, MOST);
    for await (const page of pages) found.push(...page.map(({ metadata: { name } }) => ({ name, phase })));
  }
  return found;
}

type NameOfRun = Parameters<typeof sourcesOf>[1];

/** All sources of the run together. */
async function sampleOf(server: TrawlerServer, run: NameOfRun, signal: AbortSignal): Promise<Sample> {
  let [done, known] = [0, 0];
  for await (const page of sourcesOf(server, run, MOST, signal)) {
    for (const source of page) {
      done += source.succeeded + source.failed + source.skipped;
      known += source.known;
    }
  }
  return { at: Date.now(), done, known };
}

async function livingWorkers(server: TrawlerServer, run: NameOfRun, signal: AbortSignal): Promise<RunWorker[]> {
  const found: RunWorker[] = [];
  for await (const page of workersOf(server, run, MOST, signal)) {
    found.push(...page.filter(({ releasedAt }) => releasedAt === undefined));
  }
  return found;
}

async function* oneOrNone<T>(rows: readonly T[]): AsyncGenerator<readonly T[]> {
  if (rows.length > 0) yield rows;
}

function milliseconds(text: string): number {
  try {
    return durationMs(text);
  } catch {
    throw new InvalidArgumentError('write a duration such as 5s');
  }
}
