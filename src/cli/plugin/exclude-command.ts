// `kubectl trawler exclude`: a part of a site is left out by a run under way, or crawled after all.
import type { Command } from 'commander';
import { type ExcludeEdit, excludePatch } from '../../custom-resources/run-edits.ts';
import { CRAWL_RUNS, type CrawlRun } from '../../custom-resources/types.ts';
import { isConflict } from '../../kube/kube-error.ts';
import { report } from './report.ts';
import { findLiveRun, globalOptions, type Session, UsageError, withSession } from './session.ts';

type Options = { readonly source?: string; readonly takeBack?: boolean };

/** Somebody else may edit the run at the same time. */
const MOST_TRIES = 5;

export function addExclude(program: Command): void {
  program
    .command('exclude <run> <patterns...>')
    .description('leave out the URLs that match, of those that wait and those that are found; what is crawled stays')
    .option('--source <name>', 'of one source; of all when left out')
    .option('--take-back', 'crawl them after all')
    .action(async (run: string, patterns: string[], { source, takeBack }: Options, command: Command) => {
      const options = globalOptions(command);
      const edit = { patterns, source, isTakenBack: takeBack === true };
      await withSession(options, (session) => exclude(session, run, edit));
      report([run], options, takeBack ? 'crawls them again' : 'leaves them out');
    });
}

async function exclude(session: Session, name: string, edit: ExcludeEdit): Promise<void> {
  for (let left = MOST_TRIES; ; left -= 1) {
    const body = patchOf(await findLiveRun(session, name, 'change'), edit);
    if (body === undefined) return;
    try {
      const { api, namespace, signal } = session;
      await api.resource<CrawlRun>(CRAWL_RUNS).patch({ namespace, name }, { type: 'merge', body }, { signal });
      return;
    } catch (error) {
      if (left <= 1 || !isConflict(error)) throw error;
    }
  }
}

function patchOf(run: CrawlRun, edit: ExcludeEdit): object | undefined {
  const { source } = edit;
  const sources = run.spec.sources.map(({ name }) => name);
  if (source === undefined || sources.includes(source)) return excludePatch(run, edit);
  throw new UsageError(`CrawlRun "${run.metadata.name}" has no source "${source}"; it has ${sources.join(', ')}`);
}
