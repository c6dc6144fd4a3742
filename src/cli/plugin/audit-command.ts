// `kubectl trawler audit`: who changed what through Trawler's server.
import { type Command, Option } from 'commander';
import { defined } from '../../resources/defined.ts';
import type { AuditEntryShown } from '../../server/audit/audit-routes.ts';
import { positive } from '../options.ts';
import { type Column, seconds } from '../table.ts';
import { type Format, formatOption, pagesOf, printRows } from './rows.ts';
import { globalOptions, namespaceOf, untilInterrupted } from './session.ts';
import { type QueryOf, withServer, withServerOptions } from './trawler-server.ts';

type Query = QueryOf<'/api/v1/namespaces/{namespace}/audit'>;
type Options = {
  readonly user?: string;
  readonly action?: Query['action'];
  readonly kind?: Query['kind'];
  readonly name?: string;
  readonly limit: number;
  readonly output: Format;
};

const COLUMNS: readonly Column<AuditEntryShown>[] = [
  ['TIME', ({ at }) => seconds(at)],
  ['USER', ({ user }) => user],
  ['FROM', ({ origin = '' }) => origin],
  ['ACTION', ({ action }) => action],
  ['KIND', ({ kind }) => kind],
  ['NAME', ({ name }) => name],
  ['WHAT', ({ detail, after = {} }) => detail ?? Object.keys(after).join(', ')],
];

export function addAudit(program: Command): void {
  const command = program
    .command('audit')
    .description("who changed what through Trawler's server, the newest first")
    .option('--user <name>', 'by one user')
    .option('--action <action>', 'one kind of change, such as Patched or TokenCreated')
    .addOption(
      new Option('--kind <kind>', 'of one kind').choices(['CrawlSchedule', 'CrawlRun', 'CrawlBackfill', 'Secret']),
    )
    .option('--name <name>', 'of one schedule, run or backfill')
    .option('--limit <count>', 'most rows', positive, 50)
    .addOption(formatOption());
  withServerOptions(command).action(async ({ user, action, kind, name, limit, output }: Options) => {
    const path = { namespace: namespaceOf(globalOptions(command)) };
    const wanted = defined({ user, action, kind, name });
    const signal = untilInterrupted();
    await withServer(command, async (server) => {
      const pages = pagesOf((page) => {
        const params = { path, query: { ...wanted, ...page } };
        return server.GET('/api/v1/namespaces/{namespace}/audit', { params, signal });
      }, limit);
      await printRows(pages, output, COLUMNS);
    });
  });
}
