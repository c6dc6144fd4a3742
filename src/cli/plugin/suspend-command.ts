// `kubectl trawler suspend`: a schedule makes no more runs, until somebody resumes it or until a time.
import { type Command, InvalidArgumentError } from 'commander';
import { suspendSchedulePatch } from '../../custom-resources/suspension.ts';
import { CRAWL_SCHEDULES, type CrawlSchedule } from '../../custom-resources/types.ts';
import { durationMs } from '../../resources/duration.ts';
import { findSchedule, globalOptions, userOf, withSession } from './session.ts';

type Options = { readonly note?: string; readonly until?: (now: Date) => Date };

export function addSuspend(program: Command): void {
  program
    .command('suspend <schedule>')
    .description('make no more runs of a schedule; those that are there go on')
    .option('--note <text>', 'why, for others')
    .option('--until <time>', 'go on at this time, such as 2026-03-01T06:00:00Z, or after so long, such as 8h', untilOf)
    .action(async (name: string, { note, until }: Options, command: Command) => {
      const options = globalOptions(command);
      const end = until?.(new Date());
      await withSession(options, async (session) => {
        const { api, namespace, signal } = session;
        await findSchedule(session, name);
        const body = suspendSchedulePatch(await userOf(session), { note, until: end });
        const schedules = api.resource<CrawlSchedule>(CRAWL_SCHEDULES);
        await schedules.patch({ namespace, name }, { type: 'merge', body }, { signal });
      });
      const ends = end === undefined ? '' : ` until ${end.toISOString()}`;
      if (options.json) console.log(JSON.stringify({ schedules: [name] }));
      else console.log(`crawlschedule.trawler.dev/${name} suspended${ends}`);
    });
}

function untilOf(text: string): (now: Date) => Date {
  const time = /^\d{4}-\d\d-\d\dT/.test(text) ? new Date(text) : undefined;
  if (time !== undefined && !Number.isNaN(time.getTime())) return () => time;
  try {
    const ms = durationMs(text);
    return (now) => new Date(now.getTime() + ms);
  } catch {
    throw new InvalidArgumentError('write a time such as 2026-03-01T06:00:00Z, or a duration such as 8h');
  }
}
