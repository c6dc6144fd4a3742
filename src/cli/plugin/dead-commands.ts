// `kubectl trawler dead`: pages of a run that used up their retries.
import type { Command } from 'commander';
import type { DeadLetter } from '../../server/items/item-routes.ts';
import { positive } from '../options.ts';
import type { Column } from '../table.ts';
import { type Format, formatOption, pagesOf, printRows, seconds } from './rows.ts';
import { globalOptions, namespaceOf, untilInterrupted } from './session.ts';
import { withServer, withServerOptions } from './trawler-server.ts';

type Options = { readonly output: Format; readonly limit: number; readonly source?: string; readonly cause?: string };

const COLUMNS: readonly Column<DeadLetter>[] = [
  ['TIME', ({ diedAt }) => seconds(diedAt)],
  ['SOURCE', ({ source }) => source],
  ['CAUSE', ({ cause }) => cause],
  ['TRIES', ({ attempts }) => String(attempts)],
  ['URL', ({ url }) => url],
  ['MESSAGE', ({ message }) => message],
];

export function addDead(program: Command): void {
  const dead = program.command('dead').description('pages of a run that used up their retries');
  const list = dead
    .command('list <run>')
    .description('the oldest first')
    .option('--limit <count>', 'most of them', positive, 100)
    .option('--source <name>', 'those of one source')
    .option('--cause <cause>', 'those of one cause, such as HttpError')
    .addOption(formatOption());
  withServerOptions(list).action(async (run: string, { output, ...query }: Options) => {
    const namespace = namespaceOf(globalOptions(list));
    const path = `/api/v1/namespaces/${namespace}/runs/${encodeURIComponent(run)}/dead-letters`;
    const { limit, source, cause } = query;
    await withServer(list, async (server) => {
      const pages = pagesOf<DeadLetter>(server, path, { limit, source, cause }, untilInterrupted());
      await printRows(pages, output, COLUMNS);
    });
  });
}
