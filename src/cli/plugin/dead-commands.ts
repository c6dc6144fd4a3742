// `kubectl trawler dead`: pages of a run that used up their retries.
import { type Command, Option } from 'commander';
import { defined } from '../../resources/defined.ts';
import { FAILURE_CAUSES, type FailureCause } from '../../resources/failure-causes.ts';
import type { DeadLetter } from '../../server/runs/dead-letter-routes.ts';
import { positive } from '../options.ts';
import { type Column, seconds } from '../table.ts';
import { type Format, formatOption, pagesOf, printRows } from './rows.ts';
import { globalOptions, namespaceOf, UsageError, untilInterrupted } from './session.ts';
import { answerOf, withServer, withServerOptions } from './trawler-server.ts';

type Filter = {
  readonly source?: string;
  readonly cause?: FailureCause;
  readonly host?: string;
  readonly url?: string;
};
type ListOptions = Filter & { readonly output: Format; readonly limit: number };
type ChangeOptions = Filter & { readonly all?: boolean; readonly yes?: boolean };

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
  addList(dead);
  addRequeue(dead);
  addClear(dead);
}

function addList(dead: Command): void {
  const list = withFilter(dead.command('list <run>').description('the oldest first'))
    .option('--limit <count>', 'most of them', positive, 100)
    .addOption(formatOption());
  withServerOptions(list).action(async (run: string, options: ListOptions) => {
    const path = pathOf(list, run);
    const signal = untilInterrupted();
    await withServer(list, async (server) => {
      const pages = pagesOf((page) => {
        const params = { path, query: { ...filterOf(options), ...page } };
        return server.GET('/api/v1/namespaces/{namespace}/runs/{name}/dead-letters', { params, signal });
      }, options.limit);
      await printRows(pages, options.output, COLUMNS);
    });
  });
}

function addRequeue(dead: Command): void {
  const requeue = withFilter(dead.command('requeue <run>').description('try them again while the run lives')).option(
    '--all',
    'all of them',
  );
  withServerOptions(requeue).action(async (run: string, options: ChangeOptions) => {
    const wanted = filterOfChange(options);
    await withServer(requeue, async (server) => {
      const asked = { params: { path: pathOf(requeue, run) }, body: wanted, signal: untilInterrupted() };
      const answer = await answerOf(
        server.POST('/api/v1/namespaces/{namespace}/runs/{name}/dead-letters/requeue', asked),
      );
      if (globalOptions(requeue).json) console.log(JSON.stringify(answer));
      else console.log(`${answer.requeued} dead letters of crawlrun.trawler.dev/${run} queued again`);
    });
  });
}

function addClear(dead: Command): void {
  const clear = withFilter(dead.command('clear <run>').description('skip them for good while the run lives'))
    .option('--all', 'all of them')
    .option('--yes', 'do it; without it they are counted');
  withServerOptions(clear).action(async (run: string, options: ChangeOptions) => {
    const wanted = filterOfChange(options);
    await withServer(clear, async (server) => {
      const asked = { params: { path: pathOf(clear, run) }, signal: untilInterrupted() };
      const ask = (body: Filter & { readonly confirm?: string }) =>
        answerOf(server.POST('/api/v1/namespaces/{namespace}/runs/{name}/dead-letters/clear', { ...asked, body }));
      const { count = 0, confirm } = await ask(wanted);
      if (confirm !== undefined && !options.yes) {
        throw new UsageError(`this skips ${count} dead letters of CrawlRun "${run}" for good; say --yes to do it`);
      }
      const { cleared = 0 } = confirm === undefined ? {} : await ask({ ...wanted, confirm });
      if (globalOptions(clear).json) console.log(JSON.stringify({ cleared }));
      else console.log(`${cleared} dead letters of crawlrun.trawler.dev/${run} cleared`);
    });
  });
}

function withFilter(command: Command): Command {
  return command
    .option('--source <name>', 'those of one source')
    .addOption(new Option('--cause <cause>', 'those of one cause, such as HttpError').choices(FAILURE_CAUSES))
    .option('--host <name>', 'those of one host')
    .option('--url <url>', 'one of them, or with * at the end all that begin so');
}

function filterOf({ source, cause, host, url }: Filter): Filter {
  return defined({ source, cause, host, url });
}

/** Nothing is changed because a filter was forgotten. */
function filterOfChange({ all, ...options }: ChangeOptions): Filter {
  const filter = filterOf(options);
  const isFiltered = Object.keys(filter).length > 0;
  if (isFiltered === (all === true)) {
    throw new UsageError('say which: --source, --cause, --host, --url, or else --all');
  }
  return filter;
}

function pathOf(command: Command, run: string) {
  return { namespace: namespaceOf(globalOptions(command)), name: run };
}
