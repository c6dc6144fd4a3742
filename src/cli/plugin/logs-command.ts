// `kubectl trawler logs`: what the pods of a run have logged, from Trawler's server, the operator's pod, or the pods themselves.
import { once } from 'node:events';
import type { Command } from 'commander';
import { CRAWL_RUNS, type CrawlRun } from '../../custom-resources/types.ts';
import { defined } from '../../resources/defined.ts';
import { levelOption } from '../options.ts';
import { type LogSelection, runLogs } from './in-operator.ts';
import { withServerIfAny } from './server-or-operator.ts';
import { globalOptions, namespaceOf, UsageError, untilInterrupted, withSession } from './session.ts';
import { answerOf, type QueryOf, type ServerOptions, type TrawlerServer, withServerOptions } from './trawler-server.ts';

type Level = QueryOf<'/api/v1/namespaces/{namespace}/runs/{name}/logs'>['level'];

/** Stands for a name: the newest run of the namespace, or `shop@latest`, of a schedule. */
const LATEST = '@latest';

export function addLogs(program: Command): void {
  const command = program
    .command('logs <run>')
    .description(
      'what the pods of a run have logged, also when they are gone; @latest and SCHEDULE@latest name the newest',
    )
    .option('-f, --follow', 'go on until the run has ended')
    .option('--tail <lines>', 'the last lines alone')
    .option('--since <duration>', 'lines of the last time, such as 10m or 2h')
    .addOption(levelOption());
  withServerOptions(command).action(async (name: string, selection: LogSelection & ServerOptions) => {
    const options = { ...globalOptions(command), systemNamespace: selection.systemNamespace };
    const namespace = namespaceOf(options);
    const run = name.endsWith(LATEST) ? await latestRun(command, name.slice(0, -LATEST.length)) : name;
    const { follow, tail, since, level } = selection;
    const wanted = {
      ...(follow ? { follow } : {}),
      ...(tail === undefined ? {} : { tail }),
      ...(since === undefined ? {} : { since }),
      ...(level === undefined ? {} : { level }),
    };
    const signal = untilInterrupted();
    await withServerIfAny(command, signal, {
      server: (server) => printLogs(server, { namespace, name: run }, wanted, signal),
      operator: async () => {
        process.exitCode = await runLogs(namespace, run, wanted, options);
      },
    });
  });
}

async function printLogs(
  server: TrawlerServer,
  path: { readonly namespace: string; readonly name: string },
  { follow, tail, since, level }: LogSelection,
  signal: AbortSignal,
): Promise<void> {
  // Whoever reads may stop before the end, as head does.
  process.stdout.on('error', () => process.exit());
  const query = defined({
    tail: tail === undefined ? undefined : Number(tail),
    since,
    level: level as Level,
    follow: follow ? ('true' as const) : undefined,
  });
  const wanted = { params: { path, query }, signal, parseAs: 'stream', fetch: server.fetchWhatLasts } as const;
  const lines = await answerOf(server.GET('/api/v1/namespaces/{namespace}/runs/{name}/logs', wanted));
  for await (const part of lines ?? []) {
    if (!process.stdout.write(part)) await once(process.stdout, 'drain');
  }
}

/** Of this schedule, or of all of the namespace for ''. */
async function latestRun(command: Command, schedule: string): Promise<string> {
  return withSession(globalOptions(command), async ({ api, namespace, signal }) => {
    const ofSchedule = schedule === '' ? {} : { fieldSelector: `spec.scheduleName=${schedule}` };
    const { items } = await api.resource<CrawlRun>(CRAWL_RUNS).list({ namespace, signal, ...ofSchedule });
    const createdAt = ({ metadata }: CrawlRun) => Date.parse(metadata.creationTimestamp ?? '');
    const [newest] = items.sort((a, b) => createdAt(b) - createdAt(a));
    if (newest !== undefined) return newest.metadata.name;
    throw new UsageError(`there is no CrawlRun${schedule === '' ? '' : ` of "${schedule}"`} in namespace ${namespace}`);
  });
}
