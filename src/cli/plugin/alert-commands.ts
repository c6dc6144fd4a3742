// `kubectl trawler alerts`: troubles of runs and schedules, which somebody has seen or not.
import type { Command } from 'commander';
import { defined } from '../../resources/defined.ts';
import type { Alert } from '../../server/alerts/alert-routes.ts';
import { positive } from '../options.ts';
import { type Column, seconds } from '../table.ts';
import { type Format, formatOption, pagesOf, printRows } from './rows.ts';
import { globalOptions, namespaceOf, untilInterrupted } from './session.ts';
import { answerOf, type QueryOf, withServer, withServerOptions } from './trawler-server.ts';

type ListOptions = {
  readonly schedule?: string;
  readonly event?: QueryOf<'/api/v1/namespaces/{namespace}/alerts'>['event'];
  readonly all?: boolean;
  readonly limit: number;
  readonly output: Format;
};

const COLUMNS: readonly Column<Alert>[] = [
  ['TIME', ({ occurredAt }) => seconds(occurredAt)],
  ['EVENT', ({ event }) => event],
  ['SCHEDULE', ({ schedule = '' }) => schedule],
  ['RUN', ({ run = '' }) => run],
  ['SEEN-BY', ({ acknowledgedBy = '' }) => acknowledgedBy],
  ['ID', ({ alertId }) => alertId],
  ['MESSAGE', ({ message = '' }) => message],
];

export function addAlerts(program: Command): void {
  const alerts = program.command('alerts').description('troubles of runs and schedules, and who has seen them');
  addList(alerts);
  addAcknowledge(alerts);
}

function addList(alerts: Command): void {
  const list = alerts
    .command('list')
    .description('those that nobody has seen yet, the newest first')
    .option('--all', 'also those that somebody has seen')
    .option('--schedule <name>', 'of one schedule')
    .option('--event <event>', 'of one kind, such as Failed or Unexpected')
    .option('--limit <count>', 'most rows', positive, 50)
    .addOption(formatOption());
  withServerOptions(list).action(async ({ schedule, event, all, limit, output }: ListOptions) => {
    const path = { namespace: namespaceOf(globalOptions(list)) };
    const wanted = defined({ schedule, event, acknowledged: all === true ? undefined : ('false' as const) });
    const signal = untilInterrupted();
    await withServer(list, async (server) => {
      const pages = pagesOf((page) => {
        const params = { path, query: { ...wanted, ...page } };
        return server.GET('/api/v1/namespaces/{namespace}/alerts', { params, signal });
      }, limit);
      await printRows(pages, output, COLUMNS);
    });
  });
}

function addAcknowledge(alerts: Command): void {
  const acknowledge = alerts
    .command('ack <id>')
    .description('say that you have seen it; who has said so first stands')
    .option('--note <text>', 'for those who look at it later');
  withServerOptions(acknowledge).action(async (id: string, { note }: { readonly note?: string }) => {
    await withServer(acknowledge, async (server) => {
      const path = { namespace: namespaceOf(globalOptions(acknowledge)), alertId: id };
      const wanted = { params: { path }, body: defined({ note }), signal: untilInterrupted() };
      const answer = await answerOf(server.POST('/api/v1/namespaces/{namespace}/alerts/{alertId}/acknowledge', wanted));
      if (globalOptions(acknowledge).json) console.log(JSON.stringify(answer));
      else console.log(`alert ${id} ${answer.isNew ? 'acknowledged' : 'had been acknowledged before'}`);
    });
  });
}
