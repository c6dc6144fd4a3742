// `kubectl trawler items`: what a run or a schedule found, the newest first.
import type { Command } from 'commander';
import { defined } from '../../resources/defined.ts';
import type { ItemRow } from '../../server/items/item-routes.ts';
import { positive } from '../options.ts';
import { type Column, seconds } from '../table.ts';
import { type Format, formatOption, pagesOf, printRows } from './rows.ts';
import { globalOptions, namespaceOf, untilInterrupted } from './session.ts';
import { type TrawlerServer, withServer, withServerOptions } from './trawler-server.ts';

type Options = { readonly output: Format; readonly limit: number; readonly source?: string };

const COLUMNS: readonly Column<ItemRow>[] = [
  ['TIME', ({ time }) => seconds(time)],
  ['RUN', ({ run }) => run],
  ['SOURCE', ({ source }) => source],
  ['URL', ({ url }) => url],
  ['DATA', ({ data }) => shortened(JSON.stringify(data))],
];
const MOST_OF_DATA = 80;

export function addItems(program: Command): void {
  const command = program
    .command('items <run-or-schedule>')
    .description('what a run found, or the newest runs of a schedule, the newest first')
    .option('--limit <count>', 'most items', positive, 20)
    .option('--source <name>', 'those of one source')
    .addOption(formatOption());
  withServerOptions(command).action(async (name: string, { output, limit, source }: Options) => {
    const namespace = namespaceOf(globalOptions(command));
    await withServer(command, async (server) => {
      const pages = itemsOf(server, namespace, name, { limit, source });
      await printRows(pages, output, COLUMNS, ({ data, ...origin }) => ({ ...origin, ...data }));
    });
  });
}

/** A name is that of a run; where that has no items, of a schedule. */
async function* itemsOf(
  server: TrawlerServer,
  namespace: string,
  name: string,
  { limit, source }: { readonly limit: number; readonly source: string | undefined },
): AsyncGenerator<readonly ItemRow[]> {
  const signal = untilInterrupted();
  let isRun = false;
  const ofRun = pagesOf((page) => {
    const params = { path: { namespace, name }, query: { ...defined({ source }), ...page } };
    return server.GET('/api/v1/namespaces/{namespace}/runs/{name}/items', { params, signal });
  }, limit);
  for await (const page of ofRun) {
    isRun = true;
    yield page;
  }
  if (isRun) return;
  yield* pagesOf((page) => {
    const params = { path: { namespace }, query: { ...defined({ source }), schedule: name, ...page } };
    return server.GET('/api/v1/namespaces/{namespace}/items', { params, signal });
  }, limit);
}

function shortened(text: string): string {
  return text.length <= MOST_OF_DATA ? text : `${text.slice(0, MOST_OF_DATA - 1)}…`;
}
