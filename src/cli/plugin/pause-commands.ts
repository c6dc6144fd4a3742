// `kubectl trawler pause` and `resume`: a run waits, or goes on where it stood; a schedule that was suspended makes runs again.
import type { Command } from 'commander';
import { pausePatch, resumePatch } from '../../custom-resources/run-actions.ts';
import { resumeSchedulePatch } from '../../custom-resources/suspension.ts';
import { CRAWL_RUNS, CRAWL_SCHEDULES, type CrawlRun, type CrawlSchedule } from '../../custom-resources/types.ts';
import { findNamed } from './named-object.ts';
import { report } from './report.ts';
import { findLiveRun, globalOptions, type Session, userOf, withSession } from './session.ts';

export function addPause(program: Command): void {
  program
    .command('pause <run>')
    .description('pause a run: pages in flight are finished, its pods end, nothing is lost')
    .option('--note <text>', 'why, for others')
    .action(async (run: string, { note }: { readonly note?: string }, command: Command) => {
      const options = globalOptions(command);
      await withSession(options, async (session) => {
        const { metadata } = await findLiveRun(session, run, 'pause');
        const patch = { type: 'merge', body: pausePatch(await userOf(session), note) } as const;
        await session.api.resource<CrawlRun>(CRAWL_RUNS).patch(metadata, patch, { signal: session.signal });
      });
      report([run], options, 'paused');
    });
}

export function addResume(program: Command): void {
  program
    .command('resume <run-or-schedule>')
    .description('let a paused run go on where it stood, or a suspended schedule make runs again')
    .action(async (text: string, _, command: Command) => {
      const options = globalOptions(command);
      const { kind, name } = await withSession(options, (session) => resume(session, text));
      if (kind === 'run') report([name], options, 'resumed');
      else if (options.json) console.log(JSON.stringify({ schedules: [name] }));
      else console.log(`crawlschedule.trawler.dev/${name} resumed`);
    });
}

async function resume(session: Session, text: string): Promise<{ kind: 'run' | 'schedule'; name: string }> {
  const { api, signal } = session;
  const found = await findNamed(session, text);
  if (found.kind === 'schedule') {
    const { metadata } = found.schedule;
    const patch = { type: 'merge', body: resumeSchedulePatch(new Date()) } as const;
    await api.resource<CrawlSchedule>(CRAWL_SCHEDULES).patch(metadata, patch, { signal });
    return { kind: 'schedule', name: metadata.name };
  }
  const { metadata } = await findLiveRun(session, found.run.metadata.name, 'resume');
  await api.resource<CrawlRun>(CRAWL_RUNS).patch(metadata, { type: 'merge', body: resumePatch() }, { signal });
  return { kind: 'run', name: metadata.name };
}
