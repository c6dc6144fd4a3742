// `kubectl trawler history`: what has ended, also where its resource is gone; from Trawler's server or in the operator's pod.
import { type Command, Option } from 'commander';
import { defined } from '../../resources/defined.ts';
import type { ExecutionRow } from '../../server/runs/execution-routes.ts';
import { positive } from '../options.ts';
import { type Column, seconds } from '../table.ts';
import { executionOfRun } from './execution-of-run.ts';
import { runInOperator } from './in-operator.ts';
import { type Format, formatOption, pagesOf, printRows } from './rows.ts';
import { withServerIfAny } from './server-or-operator.ts';
import { globalOptions, namespaceOf, UsageError, untilInterrupted } from './session.ts';
import { type ServerOptions, type TrawlerServer, withServerOptions } from './trawler-server.ts';

const OUTCOMES = ['Succeeded', 'Partial', 'Failed', 'Stopped', 'TimedOut'];

type Selection = {
  readonly run?: string;
  readonly limit: number;
  readonly outcome?: ExecutionRow['outcome'];
  readonly output: Format;
};

const COLUMNS: readonly Column<ExecutionRow>[] = [
  ['RUN', ({ name }) => name],
  ['TRIGGER', ({ trigger }) => trigger],
  ['RESULT', ({ outcome }) => outcome],
  ['FINISHED', ({ finishedAt }) => seconds(finishedAt)],
  ['DURATION', duration],
  ['DONE', ({ succeeded }) => String(succeeded)],
  ['FAILED', ({ failed }) => String(failed)],
  ['SKIPPED', ({ skipped }) => String(skipped)],
  ['ITEMS', ({ items }) => String(items)],
];

export function addHistory(program: Command): void {
  const command = program
    .command('history [schedule]')
    .alias('executions')
    .description('runs that have ended, of a schedule or of the namespace, the newest first')
    .option('--run <name>', 'one run, with its sources and its first items')
    .option('--limit <count>', 'most rows', positive, 20)
    .addOption(new Option('--outcome <outcome>', 'those that ended so').choices(OUTCOMES))
    .addOption(formatOption());
  withServerOptions(command).action(async (schedule: string | undefined, selection: Selection & ServerOptions) => {
    const options = { ...globalOptions(command), systemNamespace: selection.systemNamespace };
    const namespace = namespaceOf(options);
    const signal = untilInterrupted();
    const asked = { ...selection, output: options.json ? 'jsonl' : selection.output } as const;
    await withServerIfAny(command, signal, {
      server: (server) => printHistory(server, namespace, schedule, asked, signal),
      operator: async () => {
        process.exitCode = await runInOperator(['history', ...operatorFlags(namespace, schedule, asked)], options);
      },
    });
  });
}

async function printHistory(
  server: TrawlerServer,
  namespace: string,
  schedule: string | undefined,
  { run, limit, outcome, output }: Selection,
  signal: AbortSignal,
): Promise<void> {
  if (run !== undefined) {
    const found = await executionOfRun(server, namespace, run, signal);
    console.log(JSON.stringify(found, undefined, output === 'table' ? 2 : undefined));
    return;
  }
  const wanted = defined({ schedule, outcome, type: 'Crawl' as const });
  const pages = pagesOf((page) => {
    const params = { path: { namespace }, query: { ...wanted, ...page } };
    return server.GET('/api/v1/namespaces/{namespace}/executions', { params, signal });
  }, limit);
  await printRows(pages, output, COLUMNS);
}

/** Throws a UsageError for what the operator's program does not know. */
function operatorFlags(
  namespace: string,
  schedule: string | undefined,
  { run, limit, outcome, output }: Selection,
): string[] {
  if (outcome !== undefined || output === 'json' || output === 'csv') {
    throw new UsageError(
      "--outcome, -o json and -o csv take Trawler's server (server.enabled=true of the chart), which does not answer",
    );
  }
  return [
    ...(schedule === undefined ? [] : [schedule]),
    ...['-n', namespace, '--limit', String(limit)],
    ...(run === undefined ? [] : ['--run', run]),
    ...(output === 'jsonl' ? ['--json'] : []),
  ];
}

function duration({ startedAt, finishedAt }: ExecutionRow): string {
  return startedAt === undefined ? '' : `${Math.round((Date.parse(finishedAt) - Date.parse(startedAt)) / 1_000)}s`;
}
