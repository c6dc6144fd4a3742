// `kubectl trawler retry`: a finished run again, all of it or a part.
import { type Command, InvalidArgumentError, Option } from 'commander';
import { nothingToRetry, type RetryPart } from '../../custom-resources/retries.ts';
import { createRetry, RETRY_LIMIT } from '../../custom-resources/run-actions.ts';
import { CRAWL_RUNS, type CrawlRun, isFinished } from '../../custom-resources/types.ts';
import { FAILURE_CAUSES, type FailureCause } from '../../resources/failure-causes.ts';
import { report } from './report.ts';
import { findRun, globalOptions, type Session, UsageError, withSession } from './session.ts';

type Options = {
  readonly dead?: boolean;
  readonly cause?: FailureCause[];
  readonly failedSources?: boolean;
  readonly sources?: string[];
};

export function addRetry(program: Command): void {
  const failedSources = new Option('--failed-sources', 'only sources that failed or were not crawled to their end');
  program
    .command('retry <run>')
    .description('crawl a finished run again: all of it, the pages that failed, or the sources that did')
    .option('--dead', 'only the pages that failed')
    .option('--cause <causes>', 'only the pages that failed for one of these, such as HttpError,Timeout', failureCauses)
    .addOption(failedSources.conflicts(['dead', 'cause']))
    .option('--sources <names>', 'only these sources, such as shop,blog', namesOf)
    .action(async (run: string, part: Options, command: Command) => {
      const options = globalOptions(command);
      report(await withSession(options, (session) => retry(session, run, partOf(part))), options);
    });
}

function partOf({ dead, cause, failedSources, sources }: Options): RetryPart {
  const only = failedSources ? 'FailedSources' : dead || cause ? 'Dead' : 'All';
  return { only, ...(cause ? { causes: cause } : {}), ...(sources ? { sources } : {}) };
}

async function retry(session: Session, name: string, part: RetryPart): Promise<string[]> {
  const run = await findRun(session, name);
  if (!isFinished(run)) throw new UsageError(`CrawlRun "${name}" has not finished; a run retries its own pages`);
  const nothing = nothingToRetry(run, part);
  if (nothing !== undefined) throw new UsageError(`nothing to retry of CrawlRun "${name}": ${nothing}`);
  const created = await createRetry(session.api.resource<CrawlRun>(CRAWL_RUNS), run, part, session.signal);
  if (created) return [created.metadata.name];
  throw new UsageError(`CrawlRun "${name}" was retried ${RETRY_LIMIT} times already`);
}

function namesOf(text: string): string[] {
  return text.split(',').map((name) => name.trim());
}

function failureCauses(text: string): FailureCause[] {
  return namesOf(text).map((name) => {
    const known = FAILURE_CAUSES.find((cause) => cause === name);
    if (known === undefined) throw new InvalidArgumentError(`write some of ${FAILURE_CAUSES.join(', ')}`);
    return known;
  });
}
