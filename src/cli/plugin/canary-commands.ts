// `kubectl trawler promote` and `abandon`: what becomes of an image that a schedule tries out.
import type { Command } from 'commander';
import { CRAWL_SCHEDULES, type CrawlSchedule } from '../../custom-resources/types.ts';
import { findSchedule, globalOptions, type Session, UsageError, withSession } from './session.ts';

export function addPromote(program: Command): void {
  program
    .command('promote <schedule>')
    .description('give the image of its canary to all further runs of a schedule')
    .option('--force', 'also where the canary has not been found healthy')
    .action(async (name: string, { force }: { readonly force?: boolean }, command: Command) => {
      const options = globalOptions(command);
      const image = await withSession(options, (session) => promote(session, name, force === true));
      if (options.json) console.log(JSON.stringify({ schedule: name, image }));
      else console.log(`crawlschedule.trawler.dev/${name} promoted: further runs have ${image}`);
    });
}

export function addAbandon(program: Command): void {
  program
    .command('abandon <schedule>')
    .description('end the canary of a schedule: all further runs have the image that they had')
    .action(async (name: string, _, command: Command) => {
      const options = globalOptions(command);
      const image = await withSession(options, (session) => abandon(session, name));
      if (options.json) console.log(JSON.stringify({ schedule: name, image }));
      else console.log(`crawlschedule.trawler.dev/${name} abandoned ${image}`);
    });
}

async function promote(session: Session, name: string, force: boolean): Promise<string> {
  const { schedule, image } = await canaryOf(session, name);
  const { verdict = 'Undecided', message = 'none of its runs has ended' } = schedule.status?.canary ?? {};
  if (verdict !== 'Healthy' && !force) {
    throw new UsageError(`the canary of CrawlSchedule "${name}" is ${verdict}: ${message}; --force promotes it anyway`);
  }
  await change(session, schedule, { canary: null, runTemplate: { spec: { image } } });
  return image;
}

async function abandon(session: Session, name: string): Promise<string> {
  const { schedule, image } = await canaryOf(session, name);
  await change(session, schedule, { canary: null });
  return image;
}

async function canaryOf(session: Session, name: string) {
  const [schedule, { canary }] = await findSchedule(session, name);
  if (canary === undefined) throw new UsageError(`CrawlSchedule "${name}" has no canary (spec.canary)`);
  return { schedule, image: canary.image };
}

/** Of the schedule as it was looked at: an edit in between is a conflict. */
async function change({ api, signal }: Session, schedule: CrawlSchedule, spec: object): Promise<void> {
  const { resourceVersion } = schedule.metadata;
  const body = { metadata: { resourceVersion }, spec };
  const schedules = api.resource<CrawlSchedule>(CRAWL_SCHEDULES);
  await schedules.patch(schedule.metadata, { type: 'merge', body }, { signal });
}
