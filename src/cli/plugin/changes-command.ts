// `kubectl trawler changes`: what a run found, against its schedule's run before; from Trawler's server or in the operator's pod.
import type { Command } from 'commander';
import { defined } from '../../resources/defined.ts';
import type { RunChange } from '../../server/runs/change-routes.ts';
import { changesOptions } from '../options.ts';
import { executionOfRun } from './execution-of-run.ts';
import { runInOperator } from './in-operator.ts';
import { pagesOf, printRows } from './rows.ts';
import { withServerIfAny } from './server-or-operator.ts';
import { globalOptions, namespaceOf, UsageError, untilInterrupted } from './session.ts';
import { type ServerOptions, type TrawlerServer, withServerOptions } from './trawler-server.ts';

type Selection = {
  readonly kind?: RunChange['kind'];
  readonly change?: RunChange['change'];
  readonly output: 'jsonl' | 'csv' | 'counts';
};

export function addChanges(program: Command): void {
  const selected = changesOptions();
  const command = program
    .command('changes <run>')
    .description("what a run found, against its schedule's run before")
    .addOption(selected.kind)
    .addOption(selected.change)
    .addOption(selected.output);
  withServerOptions(command).action(async (run: string, selection: Selection & ServerOptions) => {
    const options = { ...globalOptions(command), systemNamespace: selection.systemNamespace };
    const namespace = namespaceOf(options);
    const signal = untilInterrupted();
    await withServerIfAny(command, signal, {
      server: (server) => printChanges(server, namespace, run, selection, signal),
      operator: async () => {
        const { kind, change, output } = selection;
        const flags = [
          ...['-n', namespace, '--output', output],
          ...(kind === undefined ? [] : ['--kind', kind]),
          ...(change === undefined ? [] : ['--change', change]),
        ];
        process.exitCode = await runInOperator(['changes', run, ...flags], options);
      },
    });
  });
}

/** Rejects with a UsageError for a run that is not compared. */
async function printChanges(
  server: TrawlerServer,
  namespace: string,
  run: string,
  { kind, change, output }: Selection,
  signal: AbortSignal,
): Promise<void> {
  const { compared } = await executionOfRun(server, namespace, run, signal);
  if (compared === undefined) {
    throw new UsageError(
      `run "${run}" is not compared: it has no schedule, is a retry, did not get through the site, is the first of its schedule whose results are kept, or the operator is still at it`,
    );
  }
  if (output === 'counts') {
    console.log(JSON.stringify(compared));
    return;
  }
  const wanted = defined({ kind, change });
  const pages = pagesOf((page) => {
    const params = { path: { namespace, name: run }, query: { ...wanted, ...page } };
    return server.GET('/api/v1/namespaces/{namespace}/runs/{name}/changes', { params, signal });
  }, Number.POSITIVE_INFINITY);
  await printRows(pages, output, []);
}
