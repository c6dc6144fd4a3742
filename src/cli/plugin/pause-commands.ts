// `kubectl trawler pause` and `resume`: a run waits, or goes on where it stood.
import type { Command } from 'commander';
import { pausePatch, resumePatch } from '../../custom-resources/run-actions.ts';
import { CRAWL_RUNS, type CrawlRun, isFinished } from '../../custom-resources/types.ts';
import { SELF_SUBJECT_REVIEWS, type SelfSubjectReview } from '../../kube/builtin-types.ts';
import { report } from './report.ts';
import { findRun, globalOptions, type Session, UsageError, withSession } from './session.ts';

export function addPause(program: Command): void {
  program
    .command('pause <run>')
    .description('pause a run: pages in flight are finished, its pods end, nothing is lost')
    .option('--note <text>', 'why, for others')
    .action(async (run: string, { note }: { readonly note?: string }, command: Command) => {
      const options = globalOptions(command);
      await withSession(options, (session) => suspend(session, run, true, note));
      report([run], options, 'paused');
    });
}

export function addResume(program: Command): void {
  program
    .command('resume <run>')
    .description('let a paused run go on where it stood')
    .action(async (run: string, _, command: Command) => {
      const options = globalOptions(command);
      await withSession(options, (session) => suspend(session, run, false));
      report([run], options, 'resumed');
    });
}

/** Pauses the run or lets it go on. Who did it, and why, is written down beside it, for people. */
async function suspend(session: Session, name: string, suspend: boolean, note?: string): Promise<void> {
  const run = await findRun(session, name);
  if (isFinished(run)) {
    const action = suspend ? 'pause' : 'resume';
    throw new UsageError(`CrawlRun "${name}" has ended (${run.status?.phase}): nothing to ${action}`);
  }
  const { api, namespace, signal } = session;
  const body = suspend ? pausePatch(await userOf(session), note) : resumePatch();
  await api.resource<CrawlRun>(CRAWL_RUNS).patch({ namespace, name }, { type: 'merge', body }, { signal });
}

/** Who the API server takes us for. */
async function userOf({ api, signal }: Session): Promise<string> {
  const review = await api
    .resource<SelfSubjectReview>(SELF_SUBJECT_REVIEWS)
    .create({ metadata: { name: 'me' } }, { signal });
  return review.status?.userInfo?.username ?? 'unknown';
}
