// `kubectl trawler logs`, `history` and `changes`: read in the operator's pod.
import type { Command } from 'commander';
import { changesOptions, levelOption, positive } from '../options.ts';
import { type LogSelection, runInOperator, runLogs } from './in-operator.ts';
import { globalOptions, namespaceOf } from './session.ts';
import { systemNamespaceOption } from './trawler-server.ts';

type SystemOptions = { readonly systemNamespace: string };
type HistorySelection = { readonly run?: string; readonly limit?: number };
type ChangeSelection = { readonly kind?: string; readonly change?: string; readonly output: string };

export function addLogs(program: Command): void {
  program
    .command('logs <run>')
    .description("what the pods of a run have logged, also when they are gone (read in the operator's pod)")
    .option('-f, --follow', 'go on until the run has ended')
    .option('--tail <lines>', 'the last lines alone')
    .option('--since <duration>', 'lines of the last time, such as 10m or 2h')
    .addOption(levelOption())
    .addOption(systemNamespaceOption())
    .action(async (run: string, { systemNamespace, ...selection }: LogSelection & SystemOptions, command: Command) => {
      const options = { ...globalOptions(command), systemNamespace };
      process.exitCode = await runLogs(namespaceOf(options), run, selection, options);
    });
}

export function addHistory(program: Command): void {
  program
    .command('history [schedule]')
    .description("what stays of runs that have ended, the newest first (read in the operator's pod)")
    .option('--run <name>', 'one run, with its sources and its first items')
    .option('--limit <count>', 'most rows', positive)
    .addOption(systemNamespaceOption())
    .action(
      async (
        schedule: string | undefined,
        { systemNamespace, run, limit }: HistorySelection & SystemOptions,
        command: Command,
      ) => {
        const options = { ...globalOptions(command), systemNamespace };
        const flags = [
          ...(schedule === undefined ? [] : [schedule]),
          ...['-n', namespaceOf(options)],
          ...(run === undefined ? [] : ['--run', run]),
          ...(limit === undefined ? [] : ['--limit', String(limit)]),
          ...(options.json ? ['--json'] : []),
        ];
        process.exitCode = await runInOperator(['history', ...flags], options);
      },
    );
}

export function addChanges(program: Command): void {
  const selected = changesOptions();
  program
    .command('changes <run>')
    .description("what a run found, against its schedule's run before (read in the operator's pod)")
    .addOption(selected.kind)
    .addOption(selected.change)
    .addOption(selected.output)
    .addOption(systemNamespaceOption())
    .action(
      async (
        run: string,
        { systemNamespace, kind, change, output }: ChangeSelection & SystemOptions,
        command: Command,
      ) => {
        const options = { ...globalOptions(command), systemNamespace };
        const flags = [
          ...['-n', namespaceOf(options), '--output', output],
          ...(kind === undefined ? [] : ['--kind', kind]),
          ...(change === undefined ? [] : ['--change', change]),
        ];
        process.exitCode = await runInOperator(['changes', run, ...flags], options);
      },
    );
}
