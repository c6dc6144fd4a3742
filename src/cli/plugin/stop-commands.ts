// `kubectl trawler stop` and `terminate`: the early end of a run.
import type { Command } from 'commander';
import { CRAWL_RUNS, type CrawlRun } from '../../custom-resources/types.ts';
import { report } from './report.ts';
import { findLiveRun, globalOptions, type Session, withSession } from './session.ts';

export function addStop(program: Command): void {
  program
    .command('stop <run>')
    .description('end a run early: pages in flight are finished, and results are kept')
    .action(async (run: string, _, command: Command) => {
      const options = globalOptions(command);
      await withSession(options, (session) => shutDown(session, run, 'Stop'));
      report([run], options, 'stopping');
    });
}

export function addTerminate(program: Command): void {
  program
    .command('terminate <run>')
    .description('end a run at once: pages in flight are given up, and results are kept')
    .action(async (run: string, _, command: Command) => {
      const options = globalOptions(command);
      await withSession(options, (session) => shutDown(session, run, 'Terminate'));
      report([run], options, 'terminating');
    });
}

/** Ends the run early. One that is stopping can still be terminated. */
async function shutDown(session: Session, name: string, shutdown: 'Stop' | 'Terminate'): Promise<void> {
  await findLiveRun(session, name, 'stop');
  const { api, namespace, signal } = session;
  const body = { spec: { shutdown } };
  await api.resource<CrawlRun>(CRAWL_RUNS).patch({ namespace, name }, { type: 'merge', body }, { signal });
}
