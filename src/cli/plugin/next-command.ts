// `kubectl trawler next`: when a schedule runs next, or why it does not; without a name, which runs of all come next.
import type { Command } from 'commander';
import { CRAWL_SCHEDULES, type CrawlSchedule } from '../../custom-resources/types.ts';
import { positive } from '../options.ts';
import { type Column, tableLines } from '../table.ts';
import { findSchedule, globalOptions, type Session, withSession } from './session.ts';

type Upcoming = {
  readonly time: string;
  readonly schedule: string;
  readonly timeZone: string;
  readonly active: number;
};

const COLUMNS: readonly Column<Upcoming>[] = [
  ['TIME', ({ time }) => time],
  ['LOCAL', ({ time, timeZone }) => `${wallClock(time, timeZone)} ${timeZone}`],
  ['SCHEDULE', ({ schedule }) => schedule],
  ['ACTIVE', ({ active }) => String(active)],
];

export function addNext(program: Command): void {
  program
    .command('next [schedule]')
    .description('when a schedule runs next, or why it does not; without a name, which runs of the namespace come next')
    .option('--limit <count>', 'most rows, without a name', positive, 20)
    .action(async (schedule: string | undefined, { limit }: { readonly limit: number }, command: Command) => {
      const options = globalOptions(command);
      await withSession(options, async (session) => {
        if (schedule === undefined) {
          const runs = await upcomingRuns(session, limit);
          if (options.json) console.log(JSON.stringify({ items: runs }));
          else console.log(runs.length === 0 ? 'no run is planned' : tableLines(COLUMNS, runs).join('\n'));
          return;
        }
        const { times, lines } = await nextTimes(session, schedule);
        console.log(options.json ? JSON.stringify({ nextScheduleTimes: times }) : lines.join('\n'));
      });
    });
}

async function upcomingRuns({ api, namespace, signal }: Session, limit: number): Promise<Upcoming[]> {
  const { items } = await api.resource<CrawlSchedule>(CRAWL_SCHEDULES).list({ namespace, signal });
  return items
    .flatMap(({ metadata, spec, status }) =>
      (status?.nextScheduleTimes ?? []).map((time) => ({
        ...{ time, schedule: metadata.name, timeZone: spec.timeZone ?? 'Etc/UTC', active: status?.activeCount ?? 0 },
      })),
    )
    .sort((a, b) => Date.parse(a.time) - Date.parse(b.time))
    .slice(0, limit);
}

/** What the schedule's status says of its next runs, also on a clock of its own time zone; or why there are none. */
async function nextTimes(session: Session, name: string): Promise<{ times: string[]; lines: string[] }> {
  const [{ status }, { timeZone }] = await findSchedule(session, name);
  const times = status?.nextScheduleTimes ?? [];
  if (times.length > 0)
    return { times, lines: times.map((time) => `${time}  ${wallClock(time, timeZone)} ${timeZone}`) };
  const ready = status?.conditions?.find(({ type }) => type === 'Ready');
  return {
    times,
    lines: [`no run is planned: ${ready?.message ?? 'the operator has not looked at the schedule yet'}`],
  };
}

/** As 2026-01-31 06:00:00, the way it is written in Sweden. */
function wallClock(time: string, timeZone: string): string {
  const clock = new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short', timeStyle: 'medium' });
  return clock.format(new Date(time));
}
