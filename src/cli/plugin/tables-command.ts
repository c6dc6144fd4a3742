// `kubectl trawler tables`: how large what is kept in PostgreSQL is, who is connected, and what takes long; read in the operator's pod.
import type { Command } from 'commander';
import { runInOperator } from './in-operator.ts';
import { globalOptions } from './session.ts';
import { systemNamespaceOption } from './trawler-server.ts';

export function addTables(program: Command): void {
  program
    .command('tables')
    .description(
      "sizes of PostgreSQL's tables, its connections, statements that take long now, and those that took the most time",
    )
    .addOption(systemNamespaceOption())
    .action(async ({ systemNamespace }: { readonly systemNamespace: string }, command: Command) => {
      const options = globalOptions(command);
      const flags = options.json ? ['--json'] : [];
      process.exitCode = await runInOperator(['tables', ...flags], { ...options, systemNamespace });
    });
}
