// `kubectl trawler run`: a run of a schedule now, beside its times.
import type { Command } from 'commander';
import { manualRun } from '../../custom-resources/new-runs.ts';
import { createRun } from '../../custom-resources/run-actions.ts';
import { CRAWL_RUNS, type CrawlRun } from '../../custom-resources/types.ts';
import { report } from './report.ts';
import { findSchedule, globalOptions, type Session, UsageError, withSession } from './session.ts';

export function addRun(program: Command): void {
  program
    .command('run <schedule>')
    .description('run a schedule now, beside its times')
    .action(async (schedule: string, _, command: Command) => {
      const options = globalOptions(command);
      report(await withSession(options, (session) => runNow(session, schedule)), options);
    });
}

async function runNow(session: Session, name: string): Promise<string[]> {
  const [schedule, spec] = await findSchedule(session, name);
  const runs = session.api.resource<CrawlRun>(CRAWL_RUNS);
  const created = await createRun(runs, manualRun(schedule, spec, new Date()), session.signal);
  if (!created) throw new UsageError('a manual run was created in this very second already; try again');
  return [created.metadata.name];
}
