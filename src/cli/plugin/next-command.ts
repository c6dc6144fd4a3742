// `kubectl trawler next`: when a schedule runs next, or why it does not.
import type { Command } from 'commander';
import { findSchedule, globalOptions, type Session, withSession } from './session.ts';

export function addNext(program: Command): void {
  program
    .command('next <schedule>')
    .description('when a schedule runs next: the next five times, or why there are none')
    .action(async (schedule: string, _, command: Command) => {
      const options = globalOptions(command);
      const { times, lines } = await withSession(options, (session) => nextTimes(session, schedule));
      console.log(options.json ? JSON.stringify({ nextScheduleTimes: times }) : lines.join('\n'));
    });
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
