// `kubectl trawler exclude`: a part of a site is left out by a run under way, or crawled after all.
import type { Command } from 'commander';
import { type ExcludeEdit, excludePatch } from '../../custom-resources/run-edits.ts';
import { CRAWL_RUNS, type CrawlRun } from '../../custom-resources/types.ts';
import { isConflict } from '../../kube/kube-error.ts';
import type { components } from '../../server/api-types.ts';
import { report } from './report.ts';
import {
  findLiveRun,
  globalOptions,
  namespaceOf,
  type Session,
  UsageError,
  untilInterrupted,
  withSession,
} from './session.ts';
import { answerOf, withServer, withServerOptions } from './trawler-server.ts';

type Options = { readonly source?: string; readonly takeBack?: boolean; readonly preview?: boolean };

/** Somebody else may edit the run at the same time. */
const MOST_TRIES = 5;

export function addExclude(program: Command): void {
  const command = program
    .command('exclude <run> <patterns...>')
    .description('leave out the URLs that match, of those that wait and those that are found; what is crawled stays')
    .option('--source <name>', 'of one source; of all when left out')
    .option('--take-back', 'crawl them after all')
    .option('--preview', "count what that would do, and change nothing; asks Trawler's server");
  withServerOptions(command).action(
    async (run: string, patterns: string[], { source, takeBack, preview }: Options, ofCommand: Command) => {
      const options = globalOptions(ofCommand);
      const edit = { patterns, source, isTakenBack: takeBack === true };
      if (preview === true) return printPreview(command, run, edit);
      await withSession(options, (session) => exclude(session, run, edit));
      report([run], options, takeBack ? 'crawls them again' : 'leaves them out');
    },
  );
}

/** Says what the edit would do to the pages that the run knows. */
async function printPreview(command: Command, name: string, edit: ExcludeEdit): Promise<void> {
  const options = globalOptions(command);
  const patch = await withSession(options, async (session) =>
    patchOf(await findLiveRun(session, name, 'change'), edit),
  );
  if (patch === undefined) throw new UsageError(`that changes nothing of CrawlRun "${name}"`);
  await withServer(command, async (server) => {
    const path = { namespace: namespaceOf(options), name };
    // What is undefined in it does not go out.
    const spec = patch.spec as components['schemas']['CrawlRunChanges'];
    const wanted = { params: { path }, body: { spec }, signal: untilInterrupted() };
    const found = await answerOf(server.POST('/api/v1/namespaces/{namespace}/runs/{name}/preview', wanted));
    if (options.json) return console.log(JSON.stringify(found));
    const { excluded, tooDeep, queuedAgain, readAgain, skipped } = found;
    console.log(
      `${excluded + tooDeep} pages that wait would be skipped, ${queuedAgain} queued again, ${readAgain} read again`,
    );
    for (const url of skipped) console.log(`  ${url}`);
    if (excluded + tooDeep > skipped.length) console.log('  …');
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

function patchOf(run: CrawlRun, edit: ExcludeEdit) {
  const { source } = edit;
  const sources = run.spec.sources.map(({ name }) => name);
  if (source === undefined || sources.includes(source)) return excludePatch(run, edit);
  throw new UsageError(`CrawlRun "${run.metadata.name}" has no source "${source}"; it has ${sources.join(', ')}`);
}
