// `kubectl trawler retry`: a finished run again.
import type { Command } from 'commander';
import { createRetry, RETRY_LIMIT } from '../../custom-resources/run-actions.ts';
import { CRAWL_RUNS, type CrawlRun, isFinished } from '../../custom-resources/types.ts';
import { report } from './report.ts';
import { findRun, globalOptions, type Session, UsageError, withSession } from './session.ts';

export function addRetry(program: Command): void {
  program
    .command('retry <run>')
    .description('crawl a finished run again, all of it or its dead letters alone')
    .option('--dead', 'only the pages that failed')
    .action(async (run: string, { dead }: { readonly dead?: boolean }, command: Command) => {
      const options = globalOptions(command);
      report(await withSession(options, (session) => retry(session, run, dead ? 'Dead' : 'All')), options);
    });
}

async function retry(session: Session, name: string, only: 'All' | 'Dead'): Promise<string[]> {
  const run = await findRun(session, name);
  if (!isFinished(run)) throw new UsageError(`CrawlRun "${name}" has not finished; a run retries its own pages`);
  const created = await createRetry(session.api.resource<CrawlRun>(CRAWL_RUNS), run, only, session.signal);
  if (created) return [created.metadata.name];
  throw new UsageError(`CrawlRun "${name}" was retried ${RETRY_LIMIT} times already`);
}
